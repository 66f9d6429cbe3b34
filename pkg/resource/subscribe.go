package resource

import "slices"

// Subscribe returns a channel that receives a value after each attempt to sample the host, once the controller has acted on
// it. It lets other parts of an agent follow the samples without tickers of their own. A value that is not received before
// the next sample is merged with it. cancel ends the subscription; the channel is never closed.
func (c *Controller) Subscribe() (sampled <-chan struct{}, cancel func()) {
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subscribers = append(c.subscribers, ch)
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.subscribers = slices.DeleteFunc(c.subscribers, func(other chan struct{}) bool { return other == ch })
	}
}

func (c *Controller) publishLocked() {
	for _, ch := range c.subscribers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

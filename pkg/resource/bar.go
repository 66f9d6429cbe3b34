package resource

import (
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// bar is what ControllerConfig.Gate said.
type bar struct {
	now  *ErrThrottled // last time; nil: it lets jobs in
	told *ErrThrottled // in the last event about it
}

// Barred asks ControllerConfig.Gate, for those who hold a slot and have not begun: the error is a *ErrThrottled while it
// lets nobody in.
func (c *Controller) Barred() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if why := c.barredLocked(); why != nil {
		return why
	}
	return nil
}

// barredLocked asks the gate of the config. It asks each time, so that no job is let in by an answer of before.
func (c *Controller) barredLocked() *ErrThrottled {
	if c.cfg.Gate == nil {
		return nil
	}
	err := ask(c.cfg.Gate)
	if err == nil {
		c.bar.now = nil
		return nil
	}
	since := time.Now()
	if c.bar.now != nil {
		since = c.bar.now.Since
	}
	c.bar.now = &ErrThrottled{Resource: Gate, Err: err, Since: since, RetryAfter: c.cfg.SampleInterval}
	return c.bar.now
}

// ask calls a gate, whose panic is a refusal.
func ask(gate func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("gate panicked: %v", r)
		}
	}()
	return gate()
}

// barNotesLocked returns the event that is due when the gate says something else than in the last one.
func (c *Controller) barNotesLocked(now time.Time) []note {
	is, was := c.barredLocked(), c.bar.told
	c.bar.told = is
	var e event.Event
	switch {
	case is != nil && was == nil:
		e = c.eventLocked(event.ResourceThrottle, event.Warn, "admission of jobs stopped: "+is.Reason(), nil)
	case is == nil && was != nil:
		e = c.eventLocked(event.ResourceResume, event.Info, "admission of jobs resumed: after "+was.Reason(), nil)
		e.Duration = now.Sub(was.Since)
	default:
		return nil
	}
	e.Details["resource"] = Gate
	return []note{{event: e}}
}

package resource

import (
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// admissionGate is what ControllerConfig.Gate returned.
type admissionGate struct {
	refusal  *ThrottledError // of the last call; nil if the gate is open
	recorded *ThrottledError // of the last event about it
}

// GateError calls ControllerConfig.Gate, for the holder of a slot who has not begun. It returns a *ThrottledError while
// the gate is closed, and nil otherwise.
func (c *Controller) GateError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if why := c.refusedByGateLocked(); why != nil {
		return why
	}
	return nil
}

// refusedByGateLocked calls the config's Gate. It is called for each admission, so that no job is admitted by an earlier
// answer.
func (c *Controller) refusedByGateLocked() *ThrottledError {
	if c.cfg.Gate == nil {
		return nil
	}
	err := callGate(c.cfg.Gate)
	if err == nil {
		c.gate.refusal = nil
		return nil
	}
	since := time.Now()
	if c.gate.refusal != nil {
		since = c.gate.refusal.Since
	}
	c.gate.refusal = &ThrottledError{Resource: Gate, Err: err, Since: since, RetryAfter: c.cfg.SampleInterval}
	return c.gate.refusal
}

// callGate calls a gate. A panic is a refusal.
func callGate(gate func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("gate panicked: %v", r)
		}
	}()
	return gate()
}

// gateNotesLocked returns the event that is due if the gate has opened or closed since the last one.
func (c *Controller) gateNotesLocked(now time.Time) []note {
	is, was := c.refusedByGateLocked(), c.gate.recorded
	c.gate.recorded = is
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

package resource

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// notifier runs callbacks one after the other on a goroutine of its own, from a bounded queue.
type notifier struct {
	calls   chan func()
	done    chan struct{}
	dropped atomic.Int64 // calls that found the queue full
	panics  atomic.Int64
}

func newNotifier() *notifier {
	return &notifier{calls: make(chan func(), 64), done: make(chan struct{})}
}

func (n *notifier) run() {
	defer close(n.done)
	for call := range n.calls {
		n.guard(call)
	}
}

func (n *notifier) guard(call func()) {
	defer func() {
		if recover() != nil {
			n.panics.Add(1)
		}
	}()
	call()
}

// send queues a call. Only the sampling goroutine sends and closes.
func (n *notifier) send(call func()) {
	select {
	case n.calls <- call:
	default:
		n.dropped.Add(1)
	}
}

func (n *notifier) close() { close(n.calls) }

// note is an event, with the callback that belongs to it.
type note struct {
	event event.Event
	call  func() // nil: none
}

// record passes an event to the sink and its callback to the notifier.
func (c *Controller) record(n note) {
	c.events.Record(n.event)
	if c.cfg.Verbose {
		event.Slog(slog.Default()).Record(n.event)
	}
	if n.call != nil {
		c.notify.send(n.call)
	}
}

// crossing is a resource that crossed a bound, and the number of consecutive samples that showed it.
type crossing struct {
	*ThrottledError
	samples int
}

// eventLocked returns an event with the present numbers. what is nil if the event concerns no single resource.
func (c *Controller) eventLocked(t event.Type, s event.Severity, message string, what *crossing) event.Event {
	m := c.metrics
	details := map[string]any{
		"active_jobs": c.jobs, "pending_jobs": len(c.waiters), "max_jobs": c.max, "rejected_jobs": c.rejected,
	}
	if m.CPUSource != "" {
		details["cpu_percent"], details["cpu_source"] = m.CPUPercent, m.CPUSource
	}
	if m.MemorySource != "" {
		details["memory_percent"], details["memory_source"] = m.MemoryPercent, m.MemorySource
		details["memory_available_bytes"] = m.MemoryAvailableBytes
	}
	if m.Pressure != nil {
		details["cpu_pressure"], details["memory_pressure"], details["io_pressure"] = m.Pressure.CPU, m.Pressure.Memory, m.Pressure.IO
	}
	if what != nil {
		details["resource"], details["value"], details["limit"] = what.Resource, what.Value, what.Limit
		details["unit"], details["samples"] = what.unit(), what.samples
	}
	return event.Event{Timestamp: time.Now(), Type: t, Severity: s, Message: message, Details: details}
}

func (c *Controller) throttledLocked() note {
	n := note{event: c.eventLocked(event.ResourceThrottle, event.Warn, "admission of jobs stopped: "+c.throttle.reason.Reason(),
		&crossing{c.throttle.reason, c.throttle.up})}
	if f := c.cfg.OnThresholdExceeded; f != nil {
		m, reason := c.metrics, c.throttle.reason.Reason()
		n.call = func() { f(&m, reason) }
	}
	return n
}

func (c *Controller) resumedLocked(now time.Time, was *ThrottledError, why string) note {
	if why == "" {
		why = "after " + was.Reason()
	}
	is := *was
	is.Value = c.metrics.value(was)
	n := note{event: c.eventLocked(event.ResourceResume, event.Info, "admission of jobs resumed: "+why, &crossing{&is, c.throttle.down})}
	n.event.Duration = now.Sub(was.Since)
	if f := c.cfg.OnThresholdCleared; f != nil {
		m := c.metrics
		n.call = func() { f(&m) }
	}
	return n
}

func (c *Controller) warningLocked(message string, what *crossing) note {
	return note{event: c.eventLocked(event.ResourceWarning, event.Warn, message, what)}
}

// hotLocked returns the debug event of a sample that is over a threshold but does not throttle yet.
func (c *Controller) hotLocked(levels []level) note {
	for _, l := range levels {
		if l.value >= l.limit {
			e := ThrottledError{Resource: l.resource, Value: l.value, Limit: l.limit}
			message := fmt.Sprintf("%s, sample %d of %d", e.Reason(), c.throttle.up, samplesUp)
			return note{event: c.eventLocked(event.ResourceWarning, event.Debug, message, &crossing{&e, c.throttle.up})}
		}
	}
	return note{}
}

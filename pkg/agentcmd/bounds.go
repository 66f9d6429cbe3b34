package agentcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/resource"
)

// gate refuses jobs while the audit log fails and audit.fail_closed is set, and while the heap is full and
// limits.memory.heap_guard is set.
func (e *engine) gate() error {
	if err := e.log.Err(); err != nil {
		return fmt.Errorf("audit.fail_closed is set and the audit log fails: %w", err)
	}
	return e.heap.Err()
}

// vitals adds the states of the store, the audit log and the heap to the measurements by which degradation is decided.
func (e *engine) vitals(ctx context.Context, v limits.Vitals) {
	if s, err := e.store.Stats(ctx); err == nil && s.RoomBytes > 0 {
		v[limits.MetricStore] = s.Full()
	}
	v[limits.MetricAudit] = 0
	if e.log.Stats().Failing {
		v[limits.MetricAudit] = 1
	}
	if e.heap != nil {
		v[limits.MetricHeap] = e.heap.Check()
	}
}

// usage returns the use of each limit.
func (e *engine) usage() []limits.Usage {
	out := e.cfg.Limits.ControllerUsage(e.jobLimits, e.agent.Controller().GetStatus())
	if e.heap != nil {
		out = append(out, e.heap.Usage())
	}
	return append(append(out, e.transport.Usage()...), e.space.Usage())
}

// heapLimits lowers the limit of the heap to its share of the memory if the configuration has such a share.
func heapLimits(ctx context.Context, l limits.MemoryLimits) limits.MemoryLimits {
	if l.HeapShare == 0 {
		return l
	}
	m, err := resource.Measure(ctx)
	if err != nil { // the memory is unknown
		m.MemoryLimitBytes = 0
	}
	return l.WithHeapShare(m.MemoryLimitBytes)
}

// admission validates the section resource, by itself and with the limits, which may leave fewer slots than its budgets
// guarantee.
func (c *settings) admission() error {
	if err := c.Resource.Validate(); err != nil {
		return err
	}
	err := c.Limits.ControllerConfig(c.Resource).Validate()
	if bound := c.Limits.Computational.JobsBound(c.Resource); err != nil && bound != nil {
		return fmt.Errorf("%w: %w", err, bound)
	}
	return err
}

// warnings returns the settings that are valid, but probably a mistake.
func (c *settings) warnings() (out []error) {
	if err := c.Limits.Computational.JobsBound(c.Resource); err != nil {
		out = append(out, err)
	}
	return out
}

// warn reports the warnings on standard error and as events.
func (a *cli) warn(e *engine) {
	for _, w := range e.cfg.warnings() {
		a.say("warning: %v", w)
		ev := event.Event{Type: event.ResourceWarning, Severity: event.Warn, Message: w.Error()}
		var bound *limits.JobsBound
		if errors.As(w, &bound) {
			ev.Details = map[string]any{"resource": resource.Slots, "value": bound.Asked, "limit": bound.Jobs, "unit": "jobs"}
		}
		e.sink.Record(ev)
	}
}

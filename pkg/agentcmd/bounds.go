package agentcmd

import (
	"context"
	"errors"
	"fmt"

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

// signals adds the chunk store, the audit log and the heap to the signals of the degradation.
func (e *engine) signals(ctx context.Context, v limits.Signals) {
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
	s := e.agent.Controller().GetStatus()
	out := append(limits.ControllerUsage(e.jobLimits, s), e.cfg.Limits.Memory.Usage(s.Metrics), e.cfg.Limits.FileSystem.Usage(s.Metrics))
	if e.heap != nil {
		out = append(out, e.heap.Usage())
	}
	return append(out, e.transport.Usage()...)
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

// admission validates the section resource together with the limits that the controller enforces.
func (c *settings) admission() error {
	merged, err := c.Limits.ControllerConfig(c.Resource)
	return errors.Join(err, merged.Validate())
}

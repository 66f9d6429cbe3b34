package limits

import (
	"sync/atomic"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

// Usage is how near a limit is, and what it did so far. It is the one source of numbers about limits: a program prints
// them, a metrics collector exports them.
type Usage struct {
	Name    string  `json:"name"`    // of the limit in the configuration, e.g. network.max_total_connections
	Used    float64 `json:"used"`    // now, in the unit of the field; of a time 0
	Limit   float64 `json:"limit"`   // of the field, seconds of a time; -1: off
	Refused int64   `json:"refused"` // what was refused or failed at the limit; of a warning level, how often it was reached
	Waited  int64   `json:"waited"`  // what had to wait for it
}

// meter counts what passes in each span of time. Its methods may be called concurrently; what is added at the very
// turn of a span may be missed.
type meter struct {
	span  time.Duration
	slots [2]struct{ number, sum atomic.Int64 } // of the running span and the one before
}

func (m *meter) add(n int) {
	number := time.Now().UnixNano() / int64(m.span)
	s := &m.slots[number&1]
	if old := s.number.Load(); old != number && s.number.CompareAndSwap(old, number) {
		s.sum.Store(0)
	}
	s.sum.Add(int64(n))
}

// last is what passed in the last whole span, or in the running one where that is more already.
func (m *meter) last() float64 {
	number := time.Now().UnixNano() / int64(m.span)
	var most int64
	for i := range m.slots {
		if at := m.slots[i].number.Load(); at == number || at == number-1 {
			most = max(most, m.slots[i].sum.Load())
		}
	}
	return float64(most)
}

// raise makes a at least v.
func raise(a *atomic.Int64, v int64) {
	for old := a.Load(); v > old && !a.CompareAndSwap(old, v); old = a.Load() {
	}
}

// ControllerUsage returns the use of the limits that a resource.Controller holds. c is its config, as
// ControllerConfig returned it, s its status.
func (l Limits) ControllerUsage(c resource.ControllerConfig, s resource.ControllerStatus) []Usage {
	comp, mem := l.Computational.WithDefaults(), l.Memory.WithDefaults()
	slots := func(name string, used, limit, jobs int) Usage {
		u := Usage{Name: name, Used: float64(used), Limit: float64(limit)}
		if jobs <= c.MaxConcurrentJobs { // or others were in the way
			u.Refused, u.Waited = s.Refused[resource.Slots], s.Waited[resource.Slots]
		}
		return u
	}
	crit := func(name, res string, percent, threshold float64) Usage {
		return Usage{name, percent / 100, fraction(threshold), s.Refused[res], s.Waited[res]}
	}
	warn := func(name, res string, percent, threshold float64) Usage {
		return Usage{name, percent / 100, fraction(threshold), s.Warned[res], 0}
	}
	m := s.Metrics
	return []Usage{
		slots("computational.max_goroutines", GoroutinesPerJob*s.ActiveSlots, comp.MaxGoroutines, comp.jobs()),
		warn("computational.cpu_threshold_warn", resource.CPU, m.CPUPercent, c.CPUWarning),
		crit("computational.cpu_threshold_crit", resource.CPU, m.CPUPercent, c.CPUThreshold),
		slots("computational.max_concurrent_ops", s.ActiveSlots, comp.MaxConcurrentOps, comp.MaxConcurrentOps),
		{Name: "memory.max_heap_size_mb", Used: float64(m.HeapBytes) / (1 << 20), Limit: float64(mem.MaxHeapSizeMB)},
		warn("memory.memory_warn_threshold", resource.Memory, m.MemoryPercent, c.MemoryWarning),
		crit("memory.memory_crit_threshold", resource.Memory, m.MemoryPercent, c.MemoryThreshold),
	}
}

// fraction is a threshold of a controller as one of these sets.
func fraction(percent float64) float64 {
	if percent == -1 {
		return -1
	}
	return percent / 100
}

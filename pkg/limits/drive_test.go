package limits

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/resource"
)

// host is a resource.Sampler with a load that a test sets, in percent.
type host struct {
	mu          sync.Mutex
	cpu, memory float64
	samples     int
}

func (h *host) Sample(context.Context) (resource.SystemMetrics, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.samples++
	return resource.SystemMetrics{CPUPercent: h.cpu, CPUSource: "host", MemoryPercent: h.memory, MemorySource: "host",
		MemoryTotalMB: 16 << 10, MemoryUsedMB: h.memory / 100 * (16 << 10), HeapBytes: 600 << 20, MemoryAvailableBytes: int64((100 - h.memory) / 100 * (16 << 30))}, nil
}

func (h *host) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.samples
}

func (h *host) set(cpu, memory float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cpu, h.memory = cpu, memory
}

// events counts what a controller records, by type.
type events struct {
	mu sync.Mutex
	n  map[event.Type]int
}

func (e *events) Record(ev event.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.n == nil {
		e.n = map[event.Type]int{}
	}
	e.n[ev.Type]++
}

func (e *events) count(t event.Type) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.n[t]
}

// A controller enforces the thresholds and intervals of Limits.
func TestThresholdsHoldInAController(t *testing.T) {
	for name, c := range map[string]struct {
		l                Limits
		warnCPU, warnMem float64 // a load between the two levels
		critCPU, critMem float64
	}{
		"cpu":    {Limits{Computational: ComputationalLimits{CPUThresholdWarn: 0.3, CPUThresholdCrit: 0.5, CPUMonitorInterval: time.Second}}, 40, 10, 60, 10},
		"memory": {Limits{Memory: MemoryLimits{MemoryWarnThreshold: 0.3, MemoryCritThreshold: 0.5, MemoryCheckInterval: time.Second}}, 10, 40, 10, 60},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, sink := &host{cpu: 10, memory: 10}, &events{}
				cfg, err := c.l.ControllerConfig(resource.ControllerConfig{Sampler: h, Sink: sink, MaxConcurrentJobs: 4})
				if err != nil {
					t.Fatal(err)
				}
				ctl := resource.NewController(&cfg)
				if err := ctl.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer ctl.Stop()
				time.Sleep(10*time.Second + time.Millisecond)
				if n, warned := h.count(), sink.count(event.ResourceWarning); n < 10 || warned != 0 {
					t.Errorf("%d samples in 10s, want one a second; %d warnings", n, warned)
				}
				h.set(c.warnCPU, c.warnMem)
				time.Sleep(10 * time.Second)
				if warned, stopped := sink.count(event.ResourceWarning), sink.count(event.ResourceThrottle); warned == 0 || stopped != 0 {
					t.Errorf("over the warning level: %d warnings, %d throttles", warned, stopped)
				}
				h.set(c.critCPU, c.critMem)
				time.Sleep(10 * time.Second)
				if !ctl.AcquireSlot(t.Context()) { // the minimum of one
					t.Error("not even one job is admitted")
				}
				if second, stopped := ctl.AcquireSlot(t.Context()), sink.count(event.ResourceThrottle); second || stopped != 1 {
					t.Errorf("over the critical level: a second job admitted %v, %d throttles", second, stopped)
				}
				ctl.ReleaseSlot()
			})
		})
	}
}

var garbage []byte

// With the collector's own pace off, only the limit keeps the heap small.
func TestHeapStaysUnderItsLimit(t *testing.T) {
	defer MemoryLimits{MaxHeapSizeMB: 64, GCTargetPercent: -1}.Apply()()
	var peak uint64
	for range 100 {
		garbage = make([]byte, 4<<20)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
	}
	garbage = nil
	if peak > 96<<20 { // the limit is a soft one: the collector may begin late
		t.Errorf("the heap grew to %d MiB while 400 MiB of garbage were made; the limit is 64", peak>>20)
	}
}

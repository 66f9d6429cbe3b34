package limits

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

// The constants of HeapGuard are those of the memory limiter of the OpenTelemetry collector.
const (
	heapSoftLimit  = 0.8  // fraction of MaxHeapSizeMB from which it collects, and refuses if that does not help
	heapWorthwhile = 0.05 // fraction of the heap that a forced collection must free to be repeated soon
	heapPause      = 10 * time.Second
	heapMaxPause   = 5 * time.Minute
)

// HeapGuard reports when no new work should begin because the Go heap of this process approaches MaxHeapSizeMB. The limit
// that Apply sets is soft: beyond it the runtime collects more and more often while the heap continues to grow.
//
// A HeapGuard forces a garbage collection before it refuses, at most one in 10 seconds, with pauses that double up to 5
// minutes while collections free next to nothing. It counts no scanners, which are separate processes, never ends work in
// progress and never changes a setting of the runtime. Its methods may be called concurrently. The nil HeapGuard never
// refuses.
type HeapGuard struct {
	limit   int64 // bytes; not positive: none
	heap    func() int64
	collect func()

	now             atomic.Int64 // heap at the last Check
	refusing        atomic.Bool
	forced, refused atomic.Int64

	mu    sync.Mutex // serializes Check and guards everything below
	next  time.Time  // earliest next collection
	pause time.Duration
}

// NewHeapGuard returns a HeapGuard for l.MaxHeapSizeMB.
func NewHeapGuard(l MemoryLimits) *HeapGuard {
	return &HeapGuard{limit: int64(l.WithDefaults().MaxHeapSizeMB) << 20, heap: resource.HeapBytes, collect: runtime.GC}
}

// Check measures the heap, forces a garbage collection if one is due, and determines what Err returns until the next
// Check. It returns the heap as a percentage of what is allowed; from 100 on Err refuses. Call it every few seconds and
// outside latency-critical paths, since a collection takes time.
func (g *HeapGuard) Check() float64 {
	if g == nil || g.limit <= 0 {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	soft := heapSoftLimit * float64(g.limit)
	heap := g.heap()
	if now := time.Now(); float64(heap) >= soft && !now.Before(g.next) {
		before := heap
		g.collect()
		g.forced.Add(1)
		heap = g.heap()
		if float64(before-heap) < heapWorthwhile*float64(before) {
			g.pause = min(max(2*g.pause, 2*heapPause), heapMaxPause)
		} else {
			g.pause = heapPause
		}
		g.next = now.Add(g.pause)
	}
	g.now.Store(heap)
	if over := float64(heap) >= soft; !g.refusing.Swap(over) && over {
		g.refused.Add(1)
	}
	return 100 * float64(heap) / soft
}

// Err returns a *LimitError if the heap was too large for new work at the last Check. It only reads an atomic flag.
func (g *HeapGuard) Err() error {
	if g == nil || !g.refusing.Load() {
		return nil
	}
	u := g.Usage()
	return &LimitError{Field: "limits.memory.max_heap_size_mb", Value: u.Used, Bound: u.Limit}
}

// Usage returns the heap at the last Check. Refused counts how often Err began to refuse, and Waited the forced
// collections.
func (g *HeapGuard) Usage() Usage {
	return Usage{Name: "memory.heap_guard", Used: float64(g.now.Load()) / (1 << 20), Limit: heapSoftLimit * float64(g.limit) / (1 << 20),
		Refused: g.refused.Load(), Waited: g.forced.Load()}
}

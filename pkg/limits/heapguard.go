package limits

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

// How a HeapGuard works; the numbers are those of the memory limiter of the OpenTelemetry collector.
const (
	heapSoft     = 0.8  // of MaxHeapSizeMB: from there on it collects, and refuses if that does not help
	heapFreed    = 0.05 // of the heap that a forced collection must free to be worth the next one soon
	heapPause    = 10 * time.Second
	heapMaxPause = 5 * time.Minute
)

// HeapGuard says when no new work should begin because the Go heap of this process is nearly as large as MaxHeapSizeMB.
// Apply sets a limit too, but a soft one, past which the runtime collects harder and harder and the heap grows on.
//
// It collects garbage itself before it refuses: at most once in 10 s, and with pauses that double up to 5 min while that
// frees next to nothing. It never counts scanners, which are processes of their own, never ends work that has begun, and
// never changes a setting of the runtime. Its methods may be called concurrently, and on nil, which lets everything
// pass.
type HeapGuard struct {
	limit   int64 // bytes; not positive: none
	heap    func() int64
	collect func()

	now            atomic.Int64 // heap at the last Check
	refusing       atomic.Bool
	forced, denied atomic.Int64

	mu    sync.Mutex // one Check at a time
	next  time.Time  // no collection before
	pause time.Duration
}

// NewHeapGuard returns a guard for l.MaxHeapSizeMB.
func NewHeapGuard(l MemoryLimits) *HeapGuard {
	return &HeapGuard{limit: int64(l.WithDefaults().MaxHeapSizeMB) << 20, heap: resource.HeapBytes, collect: runtime.GC}
}

// Check measures the heap, collects garbage where that is due, and decides what Err says until the next Check. Call it
// every few seconds, not on a path that matters: a collection takes its time. It returns the percentage of what is
// allowed that the heap takes: at 100 Err refuses.
func (g *HeapGuard) Check() float64 {
	if g == nil || g.limit <= 0 {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	soft := heapSoft * float64(g.limit)
	heap := g.heap()
	if now := time.Now(); float64(heap) >= soft && !now.Before(g.next) {
		before := heap
		g.collect()
		g.forced.Add(1)
		heap = g.heap()
		if float64(before-heap) < heapFreed*float64(before) {
			g.pause = min(max(2*g.pause, 2*heapPause), heapMaxPause)
		} else {
			g.pause = heapPause
		}
		g.next = now.Add(g.pause)
	}
	g.now.Store(heap)
	if over := float64(heap) >= soft; !g.refusing.Swap(over) && over {
		g.denied.Add(1)
	}
	return 100 * float64(heap) / soft
}

// Err returns an *ErrLimit while the heap is too large for new work, as of the last Check. It costs next to nothing.
func (g *HeapGuard) Err() error {
	if g == nil || !g.refusing.Load() {
		return nil
	}
	return &ErrLimit{Field: "max_heap_size_mb", Value: float64(g.now.Load()) / (1 << 20), Bound: heapSoft * float64(g.limit) / (1 << 20)}
}

// Usage returns the heap at the last Check as Used; Refused counts how often Err began to refuse: it is asked
// again and again meanwhile. Waited counts the collections forced.
func (g *HeapGuard) Usage() Usage {
	return Usage{"memory.heap_guard", float64(g.now.Load()) / (1 << 20), heapSoft * float64(g.limit) / (1 << 20), g.denied.Load(), g.forced.Load()}
}

// WithHeapShare returns l with MaxHeapSizeMB lowered to its HeapShare of memory, the bytes that this process and its
// scanners may take together: resource.SystemMetrics.MemoryLimitBytes. With no HeapShare, or a memory that is not known,
// l stays as it is.
func (l MemoryLimits) WithHeapShare(memory int64) MemoryLimits {
	l = l.WithDefaults()
	if l.HeapShare <= 0 || memory <= 0 || l.MaxHeapSizeMB == -1 {
		return l
	}
	share := int(l.HeapShare * float64(memory) / (1 << 20))
	l.MaxHeapSizeMB = max(min(l.MaxHeapSizeMB, share), minHeapMB)
	return l
}

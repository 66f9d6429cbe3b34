package limits

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// guarded is a guard of 100 MiB over a heap that a test makes up, of which a collection frees a part.
func guarded(heap *int64, frees func(int64) int64) *HeapGuard {
	g := NewHeapGuard(MemoryLimits{MaxHeapSizeMB: 100})
	g.heap = func() int64 { return *heap << 20 }
	g.collect = func() { *heap -= frees(*heap) }
	return g
}

func TestHeapGuardCollectsBeforeItRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heap := int64(50)
		g := guarded(&heap, func(h int64) int64 { return h / 2 })
		if p := g.Check(); p != 62.5 || g.Err() != nil {
			t.Errorf("50 of 80 MiB: %v percent, %v", p, g.Err())
		}
		heap = 90
		if p := g.Check(); p != 56.25 || g.Err() != nil || heap != 45 {
			t.Errorf("a collection helped: %v percent, %v", p, g.Err())
		}
		heap = 90 // again, too soon for the next collection
		var limit *LimitError
		if g.Check(); !errors.As(g.Err(), &limit) || limit.Field != "limits.memory.max_heap_size_mb" || limit.Value != 90 || limit.Bound != 80 {
			t.Errorf("%v", g.Err())
		}
		for range 5 { // the gate calls Err again and again
			_ = g.Err()
		}
		time.Sleep(heapPause)
		if g.Check(); g.Err() != nil {
			t.Errorf("after the pause: %v", g.Err())
		}
		bound(t, g.Usage())
	})
}

// Where collecting frees nothing, it becomes rare, and the refusal stays until the heap is small again.
func TestHeapGuardBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heap := int64(200)
		g := guarded(&heap, func(int64) int64 { return 1 })
		for range 3600 {
			g.Check()
			heap = 200
			if g.Err() == nil {
				t.Fatal("let pass")
			}
			time.Sleep(time.Second)
		}
		// 20 s, 40, 80, 160, 300, 300 …: 5 until 600 s, then one each 300 s
		if n := g.Usage().Waited; n < 10 || n > 16 {
			t.Errorf("%d collections in an hour", n)
		}
		heap = 10
		if g.Check(); g.Err() != nil {
			t.Error(g.Err())
		}
	})
}

// A real heap, over its limit with what is alive.
func TestHeapGuardSeesTheRealHeap(t *testing.T) {
	g := NewHeapGuard(MemoryLimits{MaxHeapSizeMB: 16})
	alive := make([]byte, 32<<20)
	if p := g.Check(); p < 200 || g.Err() == nil {
		t.Errorf("%v percent with %d bytes alive", p, len(alive))
	}
	big := NewHeapGuard(MemoryLimits{MaxHeapSizeMB: 1 << 20})
	if p := big.Check(); p <= 0 || p > 1 || big.Err() != nil {
		t.Errorf("%v percent of a tebibyte", p)
	}
	for _, none := range []*HeapGuard{nil, NewHeapGuard(MemoryLimits{MaxHeapSizeMB: -1})} {
		if none.Check() != 0 || none.Err() != nil {
			t.Error("no limit refuses")
		}
	}
	alive[0] = 1
}

func TestHeapShare(t *testing.T) {
	for _, c := range []struct {
		l      MemoryLimits
		memory int64
		want   int
	}{
		{MemoryLimits{HeapShare: 0.25}, 1 << 30, 256},
		{MemoryLimits{HeapShare: 0.25}, 64 << 30, 512}, // never more than the limit itself
		{MemoryLimits{HeapShare: 0.25}, 32 << 20, 16},
		{MemoryLimits{HeapShare: 0.25}, 0, 512},
		{MemoryLimits{}, 1 << 30, 512},
		{MemoryLimits{HeapShare: 0.25, MaxHeapSizeMB: -1}, 1 << 30, -1},
	} {
		if got := c.l.WithHeapShare(c.memory).MaxHeapSizeMB; got != c.want {
			t.Errorf("%+v of %d: %d MiB, want %d", c.l, c.memory, got, c.want)
		}
	}
	err := MemoryLimits{HeapShare: 0.9}.Validate()
	if err == nil || !strings.Contains(err.Error(), "heap_share: 0.9 is outside 0 to 0.5") {
		t.Error(err)
	}
	if err := (MemoryLimits{MaxHeapSizeMB: -1, HeapGuard: true}).Validate(); err == nil {
		t.Error("a guard of no limit")
	}
}

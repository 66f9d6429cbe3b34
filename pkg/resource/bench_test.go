package resource

import (
	"context"
	"sync"
	"testing"
	"time"
)

// The measure of the next one: what a bare counter behind a mutex costs.
func BenchmarkMutexCounter(b *testing.B) {
	var mu sync.Mutex
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		mu.Lock()
		if n < 4 {
			n++
		}
		mu.Unlock()
		mu.Lock()
		n--
		mu.Unlock()
	}
}

func BenchmarkAcquireSlotReleaseSlot(b *testing.B) {
	c := newTest(b, 4)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if c.AcquireSlot(ctx) {
			c.ReleaseSlot()
		}
	}
}

func BenchmarkAcquireSlotRefused(b *testing.B) {
	c := newTest(b, 1)
	ctx := context.Background()
	c.AcquireSlot(ctx)
	b.ReportAllocs()
	for b.Loop() {
		if c.AcquireSlot(ctx) {
			b.Fatal("granted")
		}
	}
}

func BenchmarkTryAcquireRelease(b *testing.B) {
	c := newTest(b, 4)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		s, err := c.TryAcquire(ctx, Request{MemoryBytes: 1 << 20})
		if err != nil {
			b.Fatal(err)
		}
		s.Release()
	}
}

// Four goroutines hand one slot on.
func BenchmarkHandOff(b *testing.B) {
	c := newTest(b, 1)
	ctx := context.Background()
	b.SetParallelism(2)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if c.AcquireSlotBlocking(ctx) == nil {
				c.ReleaseSlot()
			}
		}
	})
}

func BenchmarkSample(b *testing.B) {
	s := newSystemSampler()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Sample(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// The part of a sample that is read by hand: control groups and pressure.
func BenchmarkSampleGroups(b *testing.B) {
	g := newGroups(systemRoot)
	defer g.close()
	m := SystemMetrics{NumCPU: 1, Timestamp: time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		m.Timestamp = m.Timestamp.Add(time.Second)
		if err := g.sample(&m); err != nil {
			b.Fatal(err)
		}
	}
}

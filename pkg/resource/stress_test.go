package resource

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Active slots never pass the highest limit in force, whatever is resized, cancelled, released twice or gated; no
// wake-up is lost; and at the end every counter is back at zero.
func TestStress(t *testing.T) {
	const most = 12
	var flip atomic.Int64
	host := &fakeHost{fn: func(int) (SystemMetrics, error) {
		if flip.Add(1)%7 < 3 {
			return load(99, 10), nil
		}
		return load(10, 10), nil
	}}
	c := newTest(t, most, func(cfg *ControllerConfig) {
		cfg.Sampler = host
		cfg.SampleInterval, cfg.CooldownDuration = MinSampleInterval, time.Nanosecond
		cfg.MinConcurrentJobs = 2
	})
	if err := c.Start(bg); err != nil {
		t.Fatal(err)
	}
	var running, grants, cancels atomic.Int64
	enter := func(slots int) {
		if n := running.Add(int64(slots)); n > most {
			t.Errorf("%d slots in use of %d", n, most)
		}
		grants.Add(1)
	}
	job := func(r *rand.Rand) {
		ctx, cancel := context.WithTimeout(bg, time.Duration(r.IntN(2000))*time.Microsecond)
		defer cancel()
		switch r.IntN(4) {
		case 0:
			if c.AcquireSlot(ctx) {
				enter(1)
				running.Add(-1)
				c.ReleaseSlot()
			}
		case 1:
			if err := c.AcquireSlotBlocking(ctx); err == nil {
				enter(1)
				running.Add(-1)
				c.ReleaseSlot()
			} else {
				cancels.Add(1)
			}
		default:
			req := Request{Slots: 1 + r.IntN(4), Priority: r.IntN(3), MemoryBytes: int64(r.IntN(3)) * gb}
			s, err := c.Acquire(ctx, req)
			var large *ErrTooLarge
			switch {
			case err == nil:
				enter(req.Slots)
				s.SetUsed(int64(r.IntN(gb)))
				running.Add(-int64(req.Slots))
				s.Release()
				s.Release()
			case errors.As(err, &large):
			default:
				cancels.Add(1)
			}
		}
	}
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for range 300 {
				job(r)
			}
		})
	}
	stop := make(chan struct{})
	resized := make(chan struct{})
	go func() {
		defer close(resized)
		r := rand.New(rand.NewPCG(99, 1))
		for {
			select {
			case <-stop:
				c.SetMaxConcurrentJobs(most)
				return
			default:
				c.SetMaxConcurrentJobs(2 + r.IntN(most-1))
				time.Sleep(100 * time.Microsecond)
			}
		}
	}()
	wg.Wait()
	close(stop)
	<-resized
	t.Logf("%d grants, %d cancels", grants.Load(), cancels.Load())
	if grants.Load() == 0 || cancels.Load() == 0 {
		t.Error("the test exercised nothing")
	}
	s := c.GetStatus()
	if s.ActiveJobs != 0 || s.ActiveSlots != 0 || s.PendingJobs != 0 || s.ReservedBytes != 0 || s.OverReleases != 0 {
		t.Errorf("at the end: %+v", s)
	}
	if c.starved != 0 || c.counted != 0 || len(c.memory) != 0 {
		t.Errorf("left: %d starved, %d counted, %d leases", c.starved, c.counted, len(c.memory))
	}
}

// Nobody is forgotten: everyone who waits without a deadline is served, with mixed weights and priorities.
func TestNoLostWakeUp(t *testing.T) {
	c := newTest(t, 4)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 7))
			for range 100 {
				ctx, cancel := bg, func() {}
				if r.IntN(3) == 0 {
					ctx, cancel = context.WithTimeout(bg, time.Duration(r.IntN(50))*time.Microsecond)
				}
				s, err := c.Acquire(ctx, Request{Slots: 1 + r.IntN(4), Priority: r.IntN(5)})
				if err == nil {
					s.Release()
				} else if ctx == bg {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("stuck: %+v", c.GetStatus())
	}
	wantActive(t, c, 0, 0)
}

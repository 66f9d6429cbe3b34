package resource

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// inspect looks at a controller inside its critical section, at every grant, and counts the grants.
func inspect(t *testing.T, c *Controller) *atomic.Int64 {
	grants := new(atomic.Int64)
	c.granted = func(n need) {
		grants.Add(1)
		switch {
		case c.closed:
			t.Error("granted after the close")
		case c.slots > c.max:
			t.Errorf("%d slots in use of %d", c.slots, c.max)
		case c.jobs > c.slots || c.counted > c.jobs:
			t.Errorf("%d jobs, %d of them counted, on %d slots", c.jobs, c.counted, c.slots)
		case c.throttle.hard:
			t.Error("granted while memory is short")
		case c.throttle.reason != nil && c.jobs > c.cfg.MinConcurrentJobs:
			t.Errorf("job %d while throttled, of %d", c.jobs, c.cfg.MinConcurrentJobs)
		case n.memory > 0 && !n.guess && c.metrics.MemorySource != "" && n.memory+c.promisedLocked() > c.metrics.MemoryAvailableBytes-c.reserve:
			t.Errorf("%d bytes beside %d promised of %d", n.memory, c.promisedLocked(), c.metrics.MemoryAvailableBytes)
		}
	}
	return grants
}

// storm is a controller that everything happens to at once.
type storm struct {
	c       *Controller
	most    int
	running atomic.Int64 // slots
	cancels atomic.Int64
	closed  atomic.Int64 // requests that failed because of the end
}

func (s *storm) hold(t *testing.T, slots int) {
	if n := s.running.Add(int64(slots)); n > int64(s.most) {
		t.Errorf("%d slots in use of %d", n, s.most)
	}
	runtime.Gosched()
	s.running.Add(-int64(slots))
}

// job asks in one of the ways there are, and gives back, sometimes twice.
func (s *storm) job(t *testing.T, r *rand.Rand) {
	ctx, cancel := context.WithTimeout(bg, time.Duration(r.IntN(2000))*time.Microsecond)
	defer cancel()
	switch r.IntN(5) {
	case 0:
		if s.c.AcquireSlot(ctx) {
			s.hold(t, 1)
			s.c.ReleaseSlot()
		}
		return
	case 1:
		err := s.c.AcquireSlotBlocking(ctx)
		if err == nil {
			s.hold(t, 1)
			s.c.ReleaseSlot()
		}
		s.note(err)
		return
	}
	ask := s.c.Acquire
	if r.IntN(4) == 0 {
		ask = s.c.TryAcquire
	}
	req := Request{Slots: 1 + r.IntN(5), Priority: r.IntN(3), MemoryBytes: int64(r.IntN(4)) * gb, Guess: r.IntN(4) == 0}
	slot, err := ask(ctx, req)
	if s.note(err); err != nil {
		return
	}
	s.hold(t, req.Slots)
	slot.SetUsed(int64(r.IntN(gb)))
	slot.Release()
	if r.IntN(2) == 0 {
		slot.Release()
	}
}

func (s *storm) note(err error) {
	switch {
	case errors.Is(err, ErrClosed):
		s.closed.Add(1)
	case errors.Is(err, context.DeadlineExceeded):
		s.cancels.Add(1)
	}
}

// weather is a host that is calm for a while, and then hot, short of memory or unmeasured, or its sampler panics.
func weather(r *rand.Rand) func(int) (SystemMetrics, error) {
	return func(n int) (SystemMetrics, error) {
		m := load(10, 10)
		if n/10%2 == 0 {
			return m, nil
		}
		switch r.IntN(12) {
		case 0, 1, 2, 3:
			m = load(99, 10)
		case 4:
			m.OOMKills = 1
		case 5:
			m.MemoryAvailableBytes = 1
		case 6:
			return m, errors.New("not measured")
		case 7:
			panic("sampler")
		}
		return m, nil
	}
}

// round lets 64 goroutines ask for a while, then closes the controller under them. At the end nothing is left.
func round(t *testing.T, seed uint64, d time.Duration) (s *storm, grants int64) {
	const most = 12
	r := rand.New(rand.NewPCG(seed, 99))
	var barred atomic.Bool
	s = &storm{most: most}
	s.c = newTest(t, most, func(cfg *ControllerConfig) {
		cfg.Sampler = &fakeHost{fn: weather(rand.New(rand.NewPCG(seed, 5)))}
		cfg.SampleInterval, cfg.CooldownDuration = MinSampleInterval, time.Nanosecond
		cfg.MinConcurrentJobs = 2
		cfg.Gate = func() error {
			if barred.Load() {
				return errors.New("barred")
			}
			return nil
		}
	})
	counted := inspect(t, s.c)
	if err := s.c.Start(bg); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)+100))
			for {
				select {
				case <-over:
					return
				default:
					s.job(t, r)
				}
			}
		})
	}
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		s.c.SetMaxConcurrentJobs(2 + r.IntN(most-1))
		barred.Store(r.IntN(8) == 0)
		s.c.GetStatus()
	}
	stopped := make(chan struct{})
	go func() { s.c.Stop(); close(stopped) }()
	s.c.Stop()
	<-stopped
	close(over)
	wg.Wait()

	c, st := s.c, s.c.GetStatus()
	if st.ActiveJobs != 0 || st.ActiveSlots != 0 || st.PendingJobs != 0 || st.ReservedBytes != 0 || st.UsedBytes != 0 || st.OverReleases != 0 {
		t.Errorf("at the end: %+v", st)
	}
	if c.starved != 0 || c.counted != 0 || len(c.memory) != 0 || len(c.waiters) != 0 {
		t.Errorf("left: %d starved, %d counted, %d leases, %d waiters", c.starved, c.counted, len(c.memory), len(c.waiters))
	}
	return s, counted.Load()
}

// Active slots never pass the limit at any instant, whatever is resized, cancelled, released twice, gated or closed; no
// wake-up is lost; and at the end every counter is back at zero. It runs for ten seconds, one with -short.
func TestStress(t *testing.T) {
	whole, each := 10*time.Second, 500*time.Millisecond
	if testing.Short() {
		whole = time.Second
	}
	var grants, cancels, closed int64
	begin := time.Now()
	for seed := uint64(0); time.Since(begin) < whole; seed++ {
		s, n := round(t, seed, each)
		grants += n
		cancels += s.cancels.Load()
		closed += s.closed.Load()
	}
	t.Logf("%d grants, %d cancels, %d closed", grants, cancels, closed)
	if grants == 0 || cancels == 0 || closed == 0 {
		t.Error("the test exercised nothing")
	}
}

// Every request that waits without a deadline is served, with mixed weights and priorities.
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
	case <-time.After(patience):
		t.Fatalf("stuck: %+v", c.GetStatus())
	}
	wantActive(t, c, 0, 0)
}

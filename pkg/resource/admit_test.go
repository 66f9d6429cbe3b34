package resource

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var bg = context.Background()

func TestSlotsBeforeStart(t *testing.T) {
	c := newTest(t, 2)
	if !c.AcquireSlot(bg) || !c.AcquireSlot(bg) || c.AcquireSlot(bg) {
		t.Error("of three requests not exactly two were granted")
	}
	if m := c.GetMetrics(); !m.Timestamp.IsZero() || m.CPUSource != "" || m.CPUPercent != 0 {
		t.Errorf("metrics were made up before the first sample: %+v", m)
	}
	s := c.GetStatus()
	if s.ActiveJobs != 2 || s.RejectedJobs != 1 || s.PendingJobs != 0 || s.MaxJobs != 2 {
		t.Errorf("status %+v", s)
	}
}

// The earlier controller could not be resized: 2 to 8 stayed 2, 8 to 2 stayed 8.
func TestResizeBothWays(t *testing.T) {
	c := newTest(t, 2)
	take := func() (n int) {
		for c.AcquireSlot(bg) {
			n++
		}
		return n
	}
	take()
	c.SetMaxConcurrentJobs(8)
	if n := take(); n != 6 {
		t.Errorf("2 to 8: %d more were granted, want 6", n)
	}
	c.SetMaxConcurrentJobs(2)
	for range 6 {
		c.ReleaseSlot()
		if c.AcquireSlot(bg) {
			t.Fatal("granted over the new limit")
		}
	}
	c.ReleaseSlot()
	if !c.AcquireSlot(bg) || c.AcquireSlot(bg) {
		t.Error("8 to 2: the limit of 2 does not hold")
	}
}

func TestGrowingServesWaiters(t *testing.T) {
	c := newTest(t, 1)
	must(t, c, Request{})
	done := make(chan error, 3)
	for range 3 {
		go func() { done <- c.AcquireSlotBlocking(bg) }()
	}
	pending(t, c, 3)
	c.SetMaxConcurrentJobs(4)
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	wantActive(t, c, 4, 4)
}

func TestShrinkingFailsWhatCanNeverFit(t *testing.T) {
	c := newTest(t, 4)
	must(t, c, Request{})
	failed := make(chan error, 1)
	go func() { _, err := c.Acquire(bg, Request{Slots: 4}); failed <- err }()
	pending(t, c, 1)
	c.SetMaxConcurrentJobs(3)
	var large *ErrTooLarge
	if err := <-failed; !errors.As(err, &large) || large.Limit != 3 || large.Need != 4 {
		t.Errorf("error %v", err)
	}
}

// A double release let a third job run beside a limit of two, and made the number of active jobs negative.
func TestReleaseTwice(t *testing.T) {
	c := newTest(t, 2)
	a, b := must(t, c, Request{}), must(t, c, Request{})
	a.Release()
	a.Release()
	must(t, c, Request{})
	if _, err := c.TryAcquire(bg, Request{}); err == nil {
		t.Error("a third job runs beside a limit of two")
	}
	b.Release()
	wantActive(t, c, 1, 1)
	(*Slot)(nil).Release()

	for range 3 {
		c.ReleaseSlot() // nothing was taken with AcquireSlot
	}
	wantActive(t, c, 1, 1)
	if n := c.GetStatus().OverReleases; n != 3 {
		t.Errorf("%d over-releases were counted, want 3", n)
	}
}

// Half of the requests with a cancelled context were granted.
func TestCancelledContextIsNeverGranted(t *testing.T) {
	c := newTest(t, 4)
	ctx, cancel := context.WithCancel(bg)
	cancel()
	for range 1000 {
		if c.AcquireSlot(ctx) {
			t.Fatal("AcquireSlot")
		}
		if err := c.AcquireSlotBlocking(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal("AcquireSlotBlocking", err)
		}
		if _, err := c.TryAcquire(ctx, Request{}); !errors.Is(err, context.Canceled) {
			t.Fatal("TryAcquire", err)
		}
	}
	wantActive(t, c, 0, 0)
}

// A cancellation and then a grant, before the waiter could run: it must not take the grant, and the next in line gets it.
func TestGrantToTheCancelledGoesOn(t *testing.T) {
	for i := range 300 {
		c := newTest(t, 1)
		held := must(t, c, Request{})
		ctx, cancel := context.WithCancel(bg)
		first := make(chan error, 1)
		go func() {
			if i%2 == 0 {
				first <- c.AcquireSlotBlocking(ctx)
				return
			}
			_, err := c.Acquire(ctx, Request{})
			first <- err
		}()
		pending(t, c, 1)
		second := make(chan error, 1)
		go func() { second <- c.AcquireSlotBlocking(bg) }()
		pending(t, c, 2)
		cancel()
		held.Release()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Fatalf("granted to a cancelled context: %v", err)
		}
		if err := <-second; err != nil {
			t.Fatal(err)
		}
		wantActive(t, c, 1, 1)
	}
}

// Pending counted refusals; a real waiter did not count.
func TestPendingCountsWaiters(t *testing.T) {
	c := newTest(t, 1)
	c.AcquireSlot(bg)
	for range 100 {
		c.AcquireSlot(bg)
	}
	ctx, cancel := context.WithCancel(bg)
	done := make(chan error)
	go func() { done <- c.AcquireSlotBlocking(ctx) }()
	pending(t, c, 1)
	if s := c.GetStatus(); s.RejectedJobs != 100 {
		t.Errorf("%d rejected, want 100", s.RejectedJobs)
	}
	cancel()
	<-done
	pending(t, c, 0)
}

// Waiters were served in any order: 130 inversions of 190.
func TestOrderOfArrivalWithinPriority(t *testing.T) {
	c := newTest(t, 1)
	held := must(t, c, Request{})
	order := make(chan int, 30)
	for i := range 30 {
		go func() {
			s, err := c.Acquire(bg, Request{Priority: i % 2})
			if err != nil {
				t.Error(err)
			}
			order <- i
			s.Release()
		}()
		pending(t, c, i+1)
	}
	held.Release()
	for want := range 30 {
		want = want*2 + 1
		if want > 30 {
			want -= 31
		}
		if got := <-order; got != want {
			t.Fatalf("served %d, want %d", got, want)
		}
	}
}

// A large request at the head does not idle the slots that it cannot use yet: who cannot delay it passes freely,
// who may delay it MaxBypass times.
func TestPassingALargeRequest(t *testing.T) {
	for _, counting := range []bool{false, true} {
		c := newTest(t, 5)
		pass := func() (release func(), ok bool) {
			if counting {
				return c.ReleaseSlot, c.AcquireSlot(bg)
			}
			s, err := c.TryAcquire(bg, Request{})
			return s.Release, err == nil
		}
		must(t, c, Request{Slots: 2})
		ended := make(chan error, 1)
		go func() { _, err := c.Acquire(bg, Request{Slots: 4}); ended <- err }()
		pending(t, c, 1)

		for i := range 100 { // one of five slots is no use to the large one
			release, ok := pass()
			if !ok {
				t.Fatalf("counting %v: pass %d delays nobody and was refused", counting, i)
			}
			release()
		}
		pass()
		n := 0
		for ; n < 100; n++ { // a second one may delay it
			release, ok := pass()
			if !ok {
				break
			}
			release()
		}
		if n != MaxBypass {
			t.Errorf("counting %v: passed %d times, want %d", counting, n, MaxBypass)
		}
		c.Stop()
		<-ended
	}
}

// When a request that held up others gives up, they are served at once.
func TestLeavingServesThoseBehind(t *testing.T) {
	c := newTest(t, 2)
	must(t, c, Request{})
	ctx, cancel := context.WithCancel(bg)
	ended := make(chan error, 1)
	go func() { _, err := c.Acquire(ctx, Request{Slots: 2}); ended <- err }()
	pending(t, c, 1)
	for range MaxBypass {
		must(t, c, Request{}).Release()
	}
	small := make(chan error, 1)
	go func() { small <- c.AcquireSlotBlocking(bg) }()
	pending(t, c, 2)
	cancel()
	<-ended
	select {
	case err := <-small:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the request behind was forgotten")
	}
}

func TestPassingIsBounded(t *testing.T) {
	c := newTest(t, 2)
	old := must(t, c, Request{})
	large := make(chan *Slot, 1)
	go func() { s, _ := c.Acquire(bg, Request{Slots: 2}); large <- s }()
	pending(t, c, 1)
	passed := 0
	for range 100 {
		s, err := c.TryAcquire(bg, Request{Priority: 9}) // higher priority passes by right, but not for ever
		if err != nil {
			var why *ErrThrottled
			if !errors.As(err, &why) || why.Resource != Order {
				t.Fatal(err)
			}
			break
		}
		passed++
		s.Release()
	}
	if passed != MaxBypass {
		t.Errorf("passed %d times, want %d", passed, MaxBypass)
	}
	old.Release()
	if s := <-large; s == nil {
		t.Error("the large request failed")
	}
}

func TestTooLargeAndInvalid(t *testing.T) {
	c := newTest(t, 2)
	var large *ErrTooLarge
	if _, err := c.Acquire(bg, Request{Slots: 3}); !errors.As(err, &large) || large.Resource != Slots {
		t.Errorf("3 of 2 slots: %v", err)
	}
	if _, err := c.Acquire(bg, Request{MemoryBytes: 99 * gb}); err != nil {
		t.Errorf("memory is not known before Start: %v", err)
	}
	for _, r := range []Request{{Slots: -1}, {MemoryBytes: -1}} {
		if _, err := c.TryAcquire(bg, r); err == nil {
			t.Errorf("%+v was granted", r)
		}
	}
	if err := c.Start(bg); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Acquire(bg, Request{MemoryBytes: 99 * gb}); !errors.As(err, &large) || large.Resource != Memory {
		t.Errorf("99 of 16 GB: %v", err)
	}
}

// A burst is refused by what was promised, long before any of it shows in the available memory.
func TestMemoryReservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &fakeHost{m: load(10, 50)} // 8 GB available
		c := newTest(t, 16, func(cfg *ControllerConfig) { cfg.Sampler, cfg.MemoryReserveBytes = host, gb })
		c.Start(bg)
		var slots []*Slot
		for {
			s, err := c.TryAcquire(bg, Request{MemoryBytes: 2 * gb})
			if err != nil {
				var why *ErrThrottled
				if !errors.As(err, &why) || why.Resource != MemoryReserve {
					t.Fatal(err)
				}
				break
			}
			slots = append(slots, s)
		}
		if len(slots) != 3 { // 3 x 2 GB leave 2, a fourth would leave 0 < 1
			t.Fatalf("%d jobs of 2 GB in 8 GB with 1 reserved, want 3", len(slots))
		}
		if got := c.GetStatus().ReservedBytes; got != 6*gb {
			t.Errorf("%d bytes reserved", got)
		}

		// The jobs take what they reserved: the sample shows it, and it is not counted twice.
		for _, s := range slots {
			s.SetUsed(gb) // each took half
		}
		if _, err := c.TryAcquire(bg, Request{MemoryBytes: gb}); err != nil {
			t.Errorf("1 GB beside 6 of 8: %v", err)
		}
		if _, err := c.TryAcquire(bg, Request{MemoryBytes: gb}); err == nil {
			t.Error("use was taken off before a sample could see it")
		}
		m := load(10, 50)
		m.MemoryAvailableBytes = 5 * gb // 3 GB taken, 3 + 1 GB still promised
		host.set(m, nil)
		time.Sleep(2 * time.Second)
		if _, err := c.TryAcquire(bg, Request{MemoryBytes: gb / 2}); err == nil {
			t.Error("granted below the reserve")
		}
		slots[0].Release() // gives back a promise of 1 GB
		if _, err := c.TryAcquire(bg, Request{MemoryBytes: gb}); err != nil {
			t.Error(err)
		}
	})
}

func TestStop(t *testing.T) {
	c := newTest(t, 1)
	c.Stop() // before Start
	c.Stop()
	if err := c.Start(bg); !errors.Is(err, ErrClosed) {
		t.Errorf("Start after Stop: %v", err)
	}
	if c.AcquireSlot(bg) {
		t.Error("granted after Stop")
	}

	c = newTest(t, 1)
	if err := c.Start(bg); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(bg); !errors.Is(err, ErrStarted) {
		t.Errorf("second Start: %v", err)
	}
	held := must(t, c, Request{})
	failed := make(chan error, 5)
	for range cap(failed) {
		go func() { failed <- c.AcquireSlotBlocking(bg) }()
	}
	pending(t, c, 5)
	c.Stop()
	for range cap(failed) {
		if err := <-failed; !errors.Is(err, ErrClosed) {
			t.Errorf("waiting at Stop: %v", err)
		}
	}
	if _, err := c.TryAcquire(bg, Request{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Stop: %v", err)
	}
	held.Release()
	wantActive(t, c, 0, 0)
}

func TestConfig(t *testing.T) {
	given := ControllerConfig{
		CPUThreshold: 850, MemoryThreshold: -2, MaxConcurrentJobs: -5, MinConcurrentJobs: -1,
		SampleInterval: -1, CooldownDuration: -1, MemoryReserveBytes: -7,
	}
	before := given
	err := given.Validate()
	for _, field := range []string{
		"cpu_threshold: 850", "memory_threshold: -2", "max_concurrent_jobs: -5", "min_concurrent_jobs: -1",
		"sample_interval: -1ns", "cooldown_duration: -1ns", "memory_reserve_bytes: -7",
	} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("Validate does not name %q: %v", field, err)
		}
	}
	c := NewController(&given)
	if err := c.cfg.Validate(); err != nil {
		t.Errorf("normalised config: %v", err)
	}
	if c.cfg.CPUThreshold != DefaultCPUThreshold || !c.AcquireSlot(bg) {
		t.Error("the controller does not fall back to its defaults")
	}
	if given.CPUThreshold != before.CPUThreshold || given.Sampler != nil {
		t.Error("the caller's config was written to")
	}
	d := DefaultControllerConfig()
	if d.CPUThreshold != 85 || d.MemoryThreshold != 85 || d.MinConcurrentJobs != 1 || d.MaxConcurrentJobs < 1 ||
		d.SampleInterval != 5*time.Second || d.CooldownDuration != 30*time.Second || d.Verbose {
		t.Errorf("defaults %+v", d)
	}
	if err := (ControllerConfig{}).Validate(); err != nil {
		t.Error(err)
	}
	if c := NewController(nil); !c.AcquireSlot(bg) {
		t.Error("a nil config does not work")
	}
}

package resource

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

var bg = context.Background()

func TestSlotsBeforeStart(t *testing.T) {
	c := newTest(t, 2)
	for i, want := range []bool{true, true, false} {
		if got := c.AcquireSlot(bg); got != want {
			t.Errorf("request %d of 2 slots granted: %v", i+1, got)
		}
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
	var large *TooLargeError
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

func TestTooLargeAndInvalid(t *testing.T) {
	c := newTest(t, 2)
	var large *TooLargeError
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
				var why *ThrottledError
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

// A guess of the memory that a job needs holds others back as a known need does, but the job is never refused for it,
// and does not wait for ever: it runs when no other does.
func TestAGuessCannotKeepAJobFromRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &fakeHost{m: load(10, 50)} // 8 GB available
		c := newTest(t, 64, func(cfg *ControllerConfig) { cfg.Sampler, cfg.MemoryReserveBytes = host, gb })
		c.Start(bg)
		huge := Request{MemoryBytes: 100 * gb, Guess: true}
		if _, err := c.TryAcquire(bg, Request{MemoryBytes: 100 * gb}); err == nil {
			t.Fatal("a known need of more than the host has was granted")
		}
		small, err := c.TryAcquire(bg, Request{MemoryBytes: gb / 8})
		if err != nil {
			t.Fatal(err)
		}
		granted := make(chan *Slot, 1)
		go func() {
			s, err := c.Acquire(bg, huge)
			if err != nil {
				t.Error(err)
			}
			granted <- s
		}()
		synctest.Wait()
		// Smaller jobs may pass it, but not for ever.
		passing := []*Slot{small}
		for {
			s, err := c.TryAcquire(bg, Request{MemoryBytes: gb / 8})
			if err != nil {
				break
			}
			passing = append(passing, s)
		}
		if len(passing) != 1+MaxBypass {
			t.Errorf("%d jobs passed", len(passing)-1)
		}
		for _, s := range passing {
			select {
			case <-granted:
				t.Fatal("granted beside others")
			default:
			}
			s.Release()
			synctest.Wait()
		}
		s := <-granted
		if _, err := c.TryAcquire(bg, Request{MemoryBytes: gb}); err == nil {
			t.Error("granted beside a job that is guessed to take all there is")
		}
		s.Release()
		if s := c.GetStatus(); s.ActiveJobs != 0 || s.ReservedBytes != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A counted slot allocates nothing, granted at once or refused; a lease is one allocation.
func TestAllocationsOfAGrant(t *testing.T) {
	c, full := newTest(t, 4), newTest(t, 1)
	full.AcquireSlot(bg)
	for _, a := range []struct {
		what string
		want float64
		do   func()
	}{
		{"AcquireSlot", 0, func() { c.AcquireSlot(bg); c.ReleaseSlot() }},
		{"AcquireSlot refused", 0, func() { full.AcquireSlot(bg) }},
		{"AcquireSlotBlocking", 0, func() { _ = c.AcquireSlotBlocking(bg); c.ReleaseSlot() }},
		{"TryAcquire", 1, func() { must(t, c, Request{MemoryBytes: 1}).Release() }},
		{"Acquire", 1, func() { s, _ := c.Acquire(bg, Request{}); s.Release() }},
	} {
		if n := testing.AllocsPerRun(100, a.do); n != a.want {
			t.Errorf("%s: %v allocations, want %v", a.what, n, a.want)
		}
	}
}

// However much memory requests name: their sums stay sums, so that what runs beside one of them is refused.
func TestHugeReservationsDoNotOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, &fakeHost{m: load(10, 10)}, func(cfg *ControllerConfig) { cfg.MaxConcurrentJobs = 8 })
		huge := must(t, c, Request{MemoryBytes: math.MaxInt64, Guess: true}) // alone: a guess keeps nothing from running
		for _, r := range []Request{{MemoryBytes: math.MaxInt64, Guess: true}, {MemoryBytes: 1}} {
			if _, err := c.TryAcquire(bg, r); err == nil {
				t.Errorf("%+v was granted beside a guess of all memory there is", r)
			}
		}
		huge.SetUsed(math.MaxInt64)
		time.Sleep(2 * DefaultSampleInterval)
		must(t, c, Request{MemoryBytes: 1})
		var large *TooLargeError
		if _, err := c.TryAcquire(bg, Request{MemoryBytes: math.MaxInt64}); !errors.As(err, &large) {
			t.Error(err)
		}
	})
}

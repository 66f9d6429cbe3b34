package resource

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// tenantOf asks for a component's part for a while, in all ways there are: cancelled, revoked, released twice.
func tenantOf(t *testing.T, c *Controller, r *rand.Rand, end time.Time) {
	for time.Now().Before(end) {
		ctx, cancel := context.WithTimeout(bg, time.Duration(r.IntN(3000))*time.Microsecond)
		req := Request{Slots: 1 + r.IntN(3), Priority: r.IntN(2), MemoryBytes: int64(r.IntN(3)), Guess: r.IntN(3) == 0, Component: components[r.IntN(len(components))]}
		ask := c.Acquire
		if r.IntN(3) == 0 {
			ask = c.TryAcquire
		}
		s, err := ask(ctx, req)
		if err == nil {
			select {
			case <-s.Revoked():
			case <-time.After(time.Duration(r.IntN(2000)) * time.Microsecond):
			}
			s.Release()
			s.Release()
		}
		var large *TooLargeError
		var why *ThrottledError
		if err != nil && !errors.As(err, &large) && !errors.As(err, &why) && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if r.IntN(8) == 0 && c.AcquireSlot(bg) {
			c.ReleaseSlot()
		}
		cancel()
	}
}

// Jobs of all components come, go and give up, while budgets, slots and the ceiling change under them. At every grant the
// totals hold, the status adds up at all times, and at the end no request waits and all books are empty.
func TestBudgetsUnderLoad(t *testing.T) {
	const most = 10
	c := newTest(t, most, func(cfg *ControllerConfig) {
		cfg.MaxReservedBytes = 8
		cfg.Budgets = []Budget{{Component: "a", Guaranteed: slotsOf(3), Revoke: true, Priority: 1},
			{Component: "b", Guaranteed: Vector{Slots: 2, MemoryBytes: 4}, MaxLend: slotsOf(-1)}, {Component: "c", MaxBorrow: slotsOf(2)}}
	})
	c.granted = func(n need) {
		// What the grant itself takes of the ledger is not booked yet.
		for d, used := range c.ledger.used.plus(n.amounts(), 1) {
			if d != slots && used > c.ledger.total[d] {
				t.Errorf("%d of %d %s", used, c.ledger.total[d], dimensions[d].resource)
			}
		}
		if c.slots > c.max || c.max > most {
			t.Errorf("%d slots in use of %d", c.slots, c.max)
		}
	}
	length := 2 * time.Second
	if testing.Short() {
		length /= 4
	}
	end := time.Now().Add(length)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() { tenantOf(t, c, rand.New(rand.NewPCG(uint64(i), 1)), end) })
	}
	r := rand.New(rand.NewPCG(9, 9))
	for time.Now().Before(end) {
		switch r.IntN(4) {
		case 0:
			c.SetCeiling(r.IntN(most))
		case 1:
			c.SetMaxConcurrentJobs(1 + r.IntN(most))
		case 2:
			if err := c.SetBudgets(Budget{Component: "a", Guaranteed: slotsOf(2 + r.IntN(3)), Revoke: true, Priority: 1 + r.IntN(2)}); err != nil {
				t.Error(err)
			}
		}
		s := c.GetStatus()
		var used, waiting int
		for _, b := range s.Budgets {
			used, waiting = used+b.Used.Slots, waiting+b.Waiting
		}
		if used != s.ActiveSlots || waiting != s.PendingJobs {
			t.Errorf("%d of %d slots and %d of %d who wait are in the budgets", used, s.ActiveSlots, waiting, s.PendingJobs)
		}
		time.Sleep(time.Millisecond)
	}
	wg.Wait()
	c.SetCeiling(0)
	c.SetMaxConcurrentJobs(most)
	s := c.GetStatus()
	if s.ActiveJobs != 0 || s.PendingJobs != 0 || s.ReservedBytes != 0 || s.OverReleases != 0 || c.starved != 0 || len(c.ledger.revocable) != 0 || c.ledger.used != (amounts{}) {
		t.Errorf("left: %+v", s)
	}
	t.Logf("%d revocations", s.Revocations)
	if s.Revocations == 0 && !testing.Short() {
		t.Error("nothing was revoked, so that this tests less than it says")
	}
	must(t, c, Request{Component: "a", Slots: 1}).Release()
}

package resource

import (
	"errors"
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

func revoked(s *Slot) bool {
	select {
	case <-s.Revoked():
		return true
	default:
		return false
	}
}

// An owner that revokes asks the fewest jobs of lower priority, and only those that listen; what they give back is its.
func TestRevoke(t *testing.T) {
	c := divided(t, 6,
		Budget{Component: "owner", Guaranteed: slotsOf(4), Priority: 5, Revoke: true},
		Budget{Component: "batch", Guaranteed: slotsOf(1)}, Budget{Component: "equal", Priority: 5})
	deaf := must(t, c, Request{Component: "batch"})
	equal := must(t, c, Request{Component: "equal"})
	old, large, young := must(t, c, Request{Component: "batch"}), must(t, c, Request{Component: "batch", Slots: 2}), must(t, c, Request{Component: "batch"})
	all := []*Slot{equal, old, large, young}
	count := func() (n int) {
		for _, s := range all {
			if revoked(s) {
				n++
			}
		}
		return n
	}
	if count() != 0 {
		t.Fatal("revoked although no request waits")
	}
	owner := waitFor(t, c, Request{Component: "owner"})
	if count() != 1 || !revoked(young) {
		t.Errorf("%d revoked for one slot; the newest: %v", count(), revoked(young))
	}
	second := waitFor(t, c, Request{Component: "owner"})
	third := waitFor(t, c, Request{Component: "owner"})
	if s := c.GetStatus(); count() != 2 || !revoked(large) && !revoked(old) || s.Revocations != 2 || s.Budgets[2].Revoked != 2 {
		t.Errorf("%d revoked for three slots: %+v", count(), s)
	}
	young.Release()
	(<-owner).Release()
	<-second // on the slot of the first
	if len(third) != 0 {
		t.Error("granted before it was released")
	}
	if revoked(equal) {
		t.Error("an equal was revoked")
	}
	old.Release()
	large.Release()
	<-third
	deaf.Release()
	if s := c.GetStatus(); s.Budgets[2].Revoked != 0 {
		t.Errorf("%+v", s.Budgets)
	}
	if (*Slot)(nil).Revoked() != nil || !revoked(young) {
		t.Error("a released slot forgot that it was revoked")
	}
}

// While nothing would be granted, nothing is asked for; and a job that listens later is asked then.
func TestRevokeWaitsForTheGate(t *testing.T) {
	shut := errors.New("shut")
	c := newTest(t, 1, func(cfg *ControllerConfig) {
		cfg.Gate = func() error { return shut }
		cfg.Budgets = []Budget{{Component: "owner", Guaranteed: slotsOf(1), Priority: 1, Revoke: true}}
	})
	gate := shut
	shut = nil
	borrowed := must(t, c, Request{})
	shut = gate
	owner := waitFor(t, c, Request{Component: "owner"})
	if revoked(borrowed) {
		t.Error("revoked behind a shut gate")
	}
	c.mu.Lock()
	shut = nil
	c.serveLocked() // as at the next sample
	c.mu.Unlock()
	if !revoked(borrowed) {
		t.Error("not revoked")
	}
	borrowed.Release()
	<-owner
}

// The chosen jobs cover the shortage, are all of lower priority, and leave every component its guarantee. Of jobs of one slot
// each there are never more than necessary, and some whenever some would do.
func TestRevokeChoosesLegalVictims(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := NewController(&ControllerConfig{MaxConcurrentJobs: 40, Budgets: []Budget{
			{Component: "owner", Guaranteed: slotsOf(30), Priority: 2, Revoke: true},
			{Component: "x", Guaranteed: slotsOf(rapid.IntRange(0, 5).Draw(r, "x")), Priority: 1}, {Component: "y", Guaranteed: slotsOf(rapid.IntRange(0, 5).Draw(r, "y"))},
			{Component: "equal", Priority: 2},
		}})
		defer c.Stop()
		var jobs []*Slot
		most := rapid.SampledFrom([]int{1, 6}).Draw(r, "most")
		for range rapid.IntRange(1, 8).Draw(r, "jobs") {
			component := rapid.SampledFrom([]string{"x", "y", "y", "equal"}).Draw(r, "component")
			s, err := c.TryAcquire(bg, Request{Component: component, Slots: rapid.IntRange(1, most).Draw(r, "slots")})
			if err != nil {
				break
			}
			s.Revoked()
			jobs = append(jobs, s)
		}
		wanted := rapid.IntRange(1, 30).Draw(r, "wanted")
		short := wanted - (40 - c.GetStatus().ActiveSlots)
		best := -1
		for choice := range 1 << len(jobs) {
			if legal(c, jobs, choice, short) && (best < 0 || bits.OnesCount(uint(choice)) < best) {
				best = bits.OnesCount(uint(choice))
			}
		}
		c.mu.Lock()
		w := c.candidate(need{slots: wanted, account: c.ledger.account("owner")}, 0)
		victims := c.ledger.selectVictims(w.need.account, c.shortageLocked(w, w.need.amounts()))
		c.mu.Unlock()
		taken := 0
		for i, s := range jobs {
			for _, v := range victims {
				if s == v {
					taken |= 1 << i
				}
			}
		}
		if len(victims) > 0 && (short <= 0 || !legal(c, jobs, taken, short)) {
			r.Fatalf("selectVictims with a shortage of %d chose %b of the jobs, which is not allowed or not enough\n%+v", short, taken, c.GetStatus().Budgets)
		}
		if alike := most == 1; alike && short > 0 && len(victims) != max(best, 0) {
			r.Fatalf("selectVictims with a shortage of %d chose %d of equal jobs, %d would do\n%+v", short, len(victims), best, c.GetStatus().Budgets)
		}
	})
}

// legal says whether the jobs of choice cover short, are all of lower priority, and leave each component its guarantee.
func legal(c *Controller, jobs []*Slot, choice, short int) bool {
	left := map[string]int{}
	for i, s := range jobs {
		if choice&(1<<i) == 0 {
			continue
		}
		if s.need.account.Priority >= 2 {
			return false
		}
		short -= s.need.slots
		left[s.need.account.Component] += s.need.slots
	}
	for _, b := range c.GetStatus().Budgets {
		if left[b.Component] > 0 && b.Used.Slots-left[b.Component] < b.Guaranteed.Slots {
			return false
		}
	}
	return short <= 0
}

package resource

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// divided is a controller with slots, and budgets.
func divided(t testing.TB, n int, budgets ...Budget) *Controller {
	return newTest(t, n, func(cfg *ControllerConfig) { cfg.Budgets = budgets })
}

// waitFor asks for r, and returns when it waits.
func waitFor(t testing.TB, c *Controller, r Request) <-chan *Slot {
	t.Helper()
	n := c.GetStatus().PendingJobs
	got := make(chan *Slot, 1)
	go func() {
		s, err := c.Acquire(bg, r)
		if err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		got <- s
	}()
	pending(t, c, n+1)
	return got
}

func slotsOf(n int) Vector { return Vector{Slots: n} }

// A lent part returns to its owner first: after just the releases that cover its shortage, whichever other request waits
// or tries, however urgent.
func TestAnOwnerWaitsForItsShortfallOnly(t *testing.T) {
	c := divided(t, 6, Budget{Component: "owner", Guaranteed: slotsOf(4)}, Budget{Component: "batch", Priority: 9})
	var lent []*Slot
	for range 5 { // two are guaranteed to no component, three are borrowed
		lent = append(lent, must(t, c, Request{Component: "batch"}))
	}
	owner := waitFor(t, c, Request{Component: "owner", Slots: 4})
	other := waitFor(t, c, Request{Component: "batch", Priority: 99})
	for i := range 3 {
		var why *ThrottledError
		_, err := c.TryAcquire(bg, Request{Component: "batch", Priority: 99})
		if !errors.As(err, &why) || why.Resource != Slots || why.Component != "batch" {
			t.Errorf("after %d releases: %v", i, err)
		}
		if s := c.GetStatus().Budgets[1]; s.Component != "owner" || s.Debt.Slots != 3-i || s.Lent.Slots != 3-i || s.Waiting != 1 || s.Wanted.Slots != 4 {
			t.Errorf("after %d releases: %+v", i, s)
		}
		select {
		case <-owner:
			t.Fatalf("granted after %d releases, with %d slots in use", i, c.GetStatus().ActiveSlots)
		default:
		}
		lent[i].Release()
	}
	if s := <-owner; s == nil {
		t.Fatal("the owner was not served")
	}
	pending(t, c, 1)
	lent[3].Release()
	(<-other).Release()
}

// No more is kept for an owner than it is short of: the rest is still lent.
func TestOnlyTheShortfallIsKept(t *testing.T) {
	c := divided(t, 8, Budget{Component: "owner", Guaranteed: slotsOf(6)}, Budget{Component: "batch", Priority: 9})
	seven := must(t, c, Request{Component: "batch", Slots: 7})
	owner := waitFor(t, c, Request{Component: "owner", Slots: 2})
	seven.Release()
	(<-owner).Release()
	must(t, c, Request{Component: "batch", Slots: 7}) // all but what the owner's next one needs
	waitFor(t, c, Request{Component: "owner", Slots: 2})
	if _, err := c.TryAcquire(bg, Request{Component: "batch"}); err == nil {
		t.Error("what the owner waits for was lent")
	}
}

func TestMaxLendKeepsAFloor(t *testing.T) {
	c := divided(t, 4, Budget{Component: "owner", Guaranteed: slotsOf(3), MaxLend: slotsOf(1)}, Budget{Component: "shut", MaxBorrow: slotsOf(-1), Guaranteed: slotsOf(1), MaxLend: slotsOf(-1)})
	must(t, c, Request{}) // the one that is lent
	var why *ThrottledError
	if _, err := c.TryAcquire(bg, Request{}); !errors.As(err, &why) || why.Component != DefaultComponent || why.Value != 1 || why.Limit != 1 {
		t.Errorf("a second one of one: %v", err)
	}
	must(t, c, Request{Component: "owner", Slots: 2})
	must(t, c, Request{Component: "shut"})
	if _, err := c.TryAcquire(bg, Request{Component: "shut"}); err == nil || err.Error() != "throttled: 4 of 4 slots in use" {
		t.Error(err)
	}
	wantActive(t, c, 3, 4)
}

// The component with the higher priority borrows first, and equal ones in order of arrival.
func TestWhoBorrowsFirst(t *testing.T) {
	c := divided(t, 1, Budget{Component: "low", Priority: -1}, Budget{Component: "high", Priority: 1}, Budget{Component: "same"})
	held := must(t, c, Request{})
	var waiting []<-chan *Slot
	for _, component := range []string{"low", "same", "default", "high", "low"} {
		waiting = append(waiting, waitFor(t, c, Request{Component: component, Priority: map[string]int{"low": 99}[component]}))
	}
	held.Release()
	for _, i := range []int{3, 1, 2, 0, 4} {
		select {
		case s := <-waiting[i]:
			s.Release()
		case <-time.After(patience):
			t.Fatalf("number %d is not served", i)
		}
	}
	// A new priority orders those who wait anew.
	held = must(t, c, Request{})
	low, same := waitFor(t, c, Request{Component: "low"}), waitFor(t, c, Request{Component: "same"})
	if err := c.SetBudgets(Budget{Component: "low", Priority: 5}); err != nil {
		t.Fatal(err)
	}
	held.Release()
	s := <-low
	if len(same) != 0 {
		t.Error("both run on one slot")
	}
	s.Release()
	(<-same).Release()
}

// A request that waits to borrow is passed MaxBypass times by others that borrow, of whatever component. It cannot keep
// anyone from what is his own.
func TestPassingAcrossComponents(t *testing.T) {
	c := divided(t, 8, Budget{Component: "owner", Guaranteed: slotsOf(2)}, Budget{Component: "wide"}, Budget{Component: "small"})
	must(t, c, Request{Component: "small"})
	wide := waitFor(t, c, Request{Component: "wide", Slots: 8})
	passed := 0
	for range 100 {
		s, err := c.TryAcquire(bg, Request{Component: "small", Priority: 9})
		if err != nil {
			var why *ThrottledError
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
	for range 2 * MaxBypass {
		must(t, c, Request{Component: "owner", Slots: 2}).Release()
	}
	if len(wide) != 0 {
		t.Error("the wide one ran with others")
	}
}

// Of two that wait for what is their own, the first is served by what covers its need alone.
func TestOwnersDoNotWaitForEachOther(t *testing.T) {
	c := divided(t, 4, Budget{Component: "a", Guaranteed: slotsOf(2)}, Budget{Component: "b", Guaranteed: slotsOf(2)})
	x, y := must(t, c, Request{Slots: 2}), must(t, c, Request{Slots: 2})
	a, b := waitFor(t, c, Request{Component: "a", Slots: 2}), waitFor(t, c, Request{Component: "b", Slots: 2})
	for i, release := range []*Slot{x, y} {
		release.Release()
		select {
		case <-[]<-chan *Slot{a, b}[i]:
		case <-time.After(patience):
			t.Fatalf("number %d is not served", i)
		}
	}
}

// A request that waits for its own component does not delay the others.
func TestAFullBudgetHoldsUpNobodyElse(t *testing.T) {
	c := divided(t, 4, Budget{Component: "capped", Guaranteed: slotsOf(2), MaxBorrow: slotsOf(-1)})
	held := must(t, c, Request{Component: "capped"})
	next := waitFor(t, c, Request{Component: "capped", Slots: 2})
	for range 2 * MaxBypass {
		x, y, z := must(t, c, Request{}), must(t, c, Request{}), must(t, c, Request{})
		x.Release()
		y.Release()
		z.Release()
	}
	held.Release()
	(<-next).Release()
}

// Whether a request can be delayed depends on what its component may use, not on the totals.
func TestPassingIsBoundedByWhatABudgetAllows(t *testing.T) {
	for name, x := range map[string]struct {
		budgets             []Budget
		held, waits, passes Request
	}{
		"in one component": {[]Budget{{Component: "x", Guaranteed: slotsOf(3), MaxBorrow: slotsOf(-1)}},
			Request{Component: "x"}, Request{Component: "x", Slots: 3}, Request{Component: "x"}},
		"beside what is never lent": {[]Budget{{Component: "a", Guaranteed: slotsOf(4), MaxLend: slotsOf(-1)}, {Component: "b"}, {Component: "c"}},
			Request{Component: "c", Slots: 2}, Request{Component: "b", Slots: 3}, Request{Component: "c", Slots: 2}},
	} {
		c := divided(t, 8, x.budgets...)
		must(t, c, x.held)
		waitFor(t, c, x.waits)
		n := 0
		for ; n < 100; n++ {
			s, err := c.TryAcquire(bg, x.passes)
			if err != nil {
				break
			}
			s.Release()
		}
		if n != MaxBypass {
			t.Errorf("%s: passed %d times, want %d", name, n, MaxBypass)
		}
	}
}

func TestTooLargeForABudget(t *testing.T) {
	c := newTest(t, 8, func(cfg *ControllerConfig) {
		cfg.Budgets = []Budget{
			{Component: "a", Guaranteed: Vector{Slots: 2, MemoryBytes: 3 * gb}, MaxBorrow: Vector{Slots: 1, MemoryBytes: -1}},
			{Component: "b", Guaranteed: Vector{Slots: 2, MemoryBytes: gb}, MaxLend: Vector{Slots: -1}},
		}
	})
	for _, x := range []struct {
		r    Request
		want TooLargeError
	}{
		{Request{Component: "a", Slots: 4}, TooLargeError{Slots, "a", 4, 3}},
		{Request{Component: "a", MemoryBytes: 4 * gb}, TooLargeError{ReservedMemory, "a", 4 * gb, 3 * gb}},
		{Request{Slots: 7}, TooLargeError{Slots, DefaultComponent, 7, 6}},
		{Request{Slots: 9}, TooLargeError{Resource: Slots, Need: 9, Limit: 8}},
	} {
		var large *TooLargeError
		if _, err := c.Acquire(bg, x.r); !errors.As(err, &large) || *large != x.want {
			t.Errorf("%+v: %v, want %+v", x.r, err, x.want)
		}
	}
	if _, err := c.TryAcquire(bg, Request{Component: "a", MemoryBytes: 99 * gb, Guess: true}); err != nil {
		t.Errorf("a guess is cut to the budget: %v", err)
	}
	if got := c.GetStatus().Budgets[1].Used.MemoryBytes; got != 3*gb {
		t.Errorf("%d bytes are booked for the guess", got)
	}
	for _, r := range []Request{{Slots: -1}, {MemoryBytes: -1}} {
		if _, err := c.TryAcquire(bg, r); err == nil {
			t.Errorf("%+v was granted", r)
		}
	}
}

func TestUnknownComponent(t *testing.T) {
	c := divided(t, 2, Budget{Component: "a"})
	var unknown *UnknownComponentError
	if _, err := c.TryAcquire(bg, Request{Component: "b"}); !errors.As(err, &unknown) || unknown.Component != "b" {
		t.Error(err)
	}
	if _, err := c.Acquire(bg, Request{Component: "b"}); !errors.As(err, &unknown) {
		t.Error(err)
	}
	// Without budgets a name says nothing, so that who asks need not know whether there are any.
	plain := newTest(t, 2)
	must(t, plain, Request{Component: "b"})
	if s := plain.GetStatus(); s.Budgets != nil || plain.Budgets() != nil || plain.SetBudgets(Budget{Component: "b"}) == nil {
		t.Error("there are budgets")
	}
}

// The counter API pays from the default component, and totals bound without any budget, too.
func TestTotalsAndTheCounterAPI(t *testing.T) {
	c := newTest(t, 8, func(cfg *ControllerConfig) { cfg.MaxReservedBytes = 2 * gb })
	s := must(t, c, Request{MemoryBytes: gb})
	var why *ThrottledError
	if _, err := c.TryAcquire(bg, Request{MemoryBytes: 2 * gb}); !errors.As(err, &why) || why.Reason() != "budget default: 1024 of 2048 MB reserved" {
		t.Error(err)
	}
	if !c.AcquireSlot(bg) || c.AcquireSlotBlocking(bg) != nil {
		t.Fatal("not granted")
	}
	if used := c.GetStatus().Budgets[0].Used; used != (Vector{Slots: 3, MemoryBytes: gb}) {
		t.Errorf("%+v in use", used)
	}
	s.Release()
	c.ReleaseSlot()
	c.ReleaseSlot()
	c.ReleaseSlot() // one too many
	if used := c.GetStatus().Budgets[0].Used; used != (Vector{}) {
		t.Errorf("%+v in use", used)
	}
}

// Guarantees shrink in proportion if there are fewer slots than their sum, so that the last slot is available to every component.
func TestFewerSlotsThanGuarantees(t *testing.T) {
	c := divided(t, 4, Budget{Component: "a", Guaranteed: slotsOf(2), MaxLend: slotsOf(-1)}, Budget{Component: "b", Guaranteed: slotsOf(2), MaxLend: slotsOf(-1)})
	c.SetMaxConcurrentJobs(1)
	for _, component := range []string{"a", "b", ""} {
		must(t, c, Request{Component: component}).Release()
	}
	c.SetMaxConcurrentJobs(2)
	must(t, c, Request{Component: "a"})
	if _, err := c.TryAcquire(bg, Request{Component: "a"}); err == nil {
		t.Error("a took what is left of b's guarantee")
	}
	must(t, c, Request{Component: "b"})
}

func TestValidateNamesEveryBudgetProblem(t *testing.T) {
	cfg := ControllerConfig{
		MaxConcurrentJobs: 4, MaxReservedBytes: gb, RevokeGrace: -time.Second,
		Budgets: []Budget{
			{Component: "a", Guaranteed: Vector{Slots: 3, MemoryBytes: gb}, MaxBorrow: Vector{Slots: -2}, Elasticity: 2},
			{Component: "a", Guaranteed: Vector{Slots: 2, MemoryBytes: gb}, MaxLend: Vector{MemoryBytes: math.MaxInt64}, Priority: 1e6},
			{Component: "no name"},
			{Component: "b", Elasticity: math.NaN()},
		},
	}
	text := cfg.Validate().Error()
	for _, want := range []string{
		"resource.revoke_grace: -1s is outside",
		"resource.budgets.0.max_borrow.slots: -2 is outside -1 to", "resource.budgets.0.elasticity: 2 is outside 0 to 1",
		"resource.budgets.1.component: a has another budget above",
		"resource.budgets.1.max_lend.memory_bytes: 9223372036854775807 is outside", "resource.budgets.1.priority: 1000000 is outside",
		`budgets.2.component: "no name": want`, "budgets.3.elasticity: NaN is outside",
		"guarantee 5 slots, more than max_concurrent_jobs (4)", "guarantee 2147483648 memory_bytes, more than max_reserved_bytes (1073741824)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	c := divided(t, 4, Budget{Component: "a"})
	if err := c.SetBudgets(cfg.Budgets[0]); err == nil {
		t.Error("SetBudgets with a budget out of range = nil, want an error")
	}
	must(t, c, Request{Component: "a", Slots: 4}).Release()
}

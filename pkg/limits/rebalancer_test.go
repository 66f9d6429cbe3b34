package limits

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/resource"
)

// crowd keeps a number of jobs of a component running or waiting.
type crowd struct {
	c         *resource.Controller
	component string
	leave     []context.CancelFunc
}

func (k *crowd) set(n int) {
	for len(k.leave) < n {
		ctx, cancel := context.WithCancel(context.Background())
		k.leave = append(k.leave, cancel)
		go func() {
			if s, err := k.c.Acquire(ctx, resource.Request{Component: k.component}); err == nil {
				<-ctx.Done()
				s.Release()
			}
		}()
	}
	for len(k.leave) > n {
		k.leave[len(k.leave)-1]()
		k.leave = k.leave[:len(k.leave)-1]
	}
	synctest.Wait()
}

// town is a controller of two components that share 20 slots, each with half of them and half of that elastic.
type town struct {
	c      *resource.Controller
	r      *Rebalancer
	day    crowd
	night  crowd
	events []event.Event
	stop   func()
}

func (w *town) Record(e event.Event) { w.events = append(w.events, e) }

func newTown(t *testing.T, cfg RebalanceConfig) *town {
	t.Helper()
	w := &town{}
	w.c = resource.NewController(&resource.ControllerConfig{MaxConcurrentJobs: 20, Budgets: []resource.Budget{
		{Component: "day", Guaranteed: resource.Vector{Slots: 10}, Elasticity: 0.5},
		{Component: "night", Guaranteed: resource.Vector{Slots: 10}, Elasticity: 0.5, MaxLend: resource.Vector{Slots: 7}, MaxBorrow: resource.Vector{Slots: 6}},
	}})
	w.day, w.night = crowd{c: w.c, component: "day"}, crowd{c: w.c, component: "night"}
	var err error
	if w.r, err = NewRebalancer(w.c, cfg, w); err != nil {
		t.Fatal(err)
	}
	w.stop = drive(w.r)
	t.Cleanup(func() {
		w.day.set(0)
		w.night.set(0)
		w.stop()
		w.c.Stop()
	})
	return w
}

// drive calls r.Observe every interval until stop is called.
func drive(r *Rebalancer) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r.Observe(time.Now())
	go func() {
		defer close(done)
		tick := time.NewTicker(r.cfg.Interval)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				r.Observe(now)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// guaranteed are the slots of default, day and night, whose sum never changes.
func (w *town) guaranteed(t *testing.T) [3]int {
	t.Helper()
	var g [3]int
	for i, b := range w.c.Budgets() {
		g[i] = b.Guaranteed.Slots
	}
	if g[0]+g[1]+g[2] != 20 || g[1] < 5 || g[2] < 5 {
		t.Fatalf("guarantees %v", g)
	}
	return g
}

func TestLoadPolicyFollowsTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, RebalanceConfig{Policy: PolicyLoad})
		run := func(day, night int, want [3]int) {
			t.Helper()
			w.day.set(day)
			w.night.set(night)
			time.Sleep(3 * DefaultRebalanceInterval)
			if got := w.guaranteed(t); got != want {
				t.Errorf("%d by day, %d by night: guarantees %v, want %v", day, night, got, want)
			}
		}
		run(8, 8, [3]int{0, 10, 10})
		run(14, 3, [3]int{0, 14, 6})   // day lacks 4; night has 5 to give
		run(30, 0, [3]int{0, 14, 6})   // one more, a twentieth, is not worth a change
		run(30, 10, [3]int{0, 10, 10}) // night is back, and gets its own guarantee back
		run(0, 18, [3]int{0, 5, 15})
		run(0, 0, [3]int{0, 10, 10})
		w.stop() // all events have been recorded
		for _, b := range w.c.Budgets()[1:] {
			if b != map[string]resource.Budget{
				"day":   {Component: "day", Guaranteed: resource.Vector{Slots: 10}, Elasticity: 0.5},
				"night": {Component: "night", Guaranteed: resource.Vector{Slots: 10}, Elasticity: 0.5, MaxLend: resource.Vector{Slots: 7}, MaxBorrow: resource.Vector{Slots: 6}},
			}[b.Component] {
				t.Errorf("not what it was: %+v", b)
			}
		}
		if s := w.r.State(); s.Changes != 4 || len(w.events) != 4 || s.Refused != 0 {
			t.Fatalf("%d events, %+v", len(w.events), s)
		}
		first := fmt.Sprint(w.events[0].Type, " ", w.events[0].Message, " ", w.events[0].Details["budgets"])
		for _, want := range []string{"budget_changed", "slots: 4 unused of night to day", "component:day", "after:{14 0} before:{10 0}", "after:{6 0}"} {
			if !strings.Contains(first, want) {
				t.Errorf("%q is not in %s", want, first)
			}
		}
	})
}

// The maximum of a component and the part that it never lends stay as configured when its guarantee moves.
func TestMovedGuaranteesKeepTheBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, RebalanceConfig{Policy: PolicyLoad})
		for _, x := range []struct {
			day, night    int
			borrow, lend  int
			usedMost      int
			dayGuaranteed int
		}{{0, 20, 1, 12, 16, 5}, {20, 0, 11, 2, 0, 15}} {
			w.day.set(x.day)
			w.night.set(x.night)
			time.Sleep(3 * DefaultRebalanceInterval)
			b, s := w.c.Budgets()[2], w.c.GetStatus().Budgets[2]
			if b.MaxBorrow.Slots != x.borrow || b.MaxLend.Slots != x.lend || s.Used.Slots != x.usedMost || w.guaranteed(t)[1] != x.dayGuaranteed {
				t.Errorf("%+v: %+v, uses %d", x, b, s.Used.Slots)
			}
		}
	})
}

// A load that trembles moves nothing: neither little changes nor one odd moment do.
func TestRebalancingDoesNotFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, RebalanceConfig{Policy: PolicyLoad})
		r := rand.New(rand.NewPCG(1, 2))
		for i := range 500 {
			w.day.set(9 + r.IntN(3)) // 11 at most: one more than its own, a twentieth of all
			w.night.set(6 + r.IntN(3))
			if i%10 == 0 {
				w.day.set(20)
			}
			time.Sleep(DefaultRebalanceInterval)
			w.guaranteed(t)
		}
		if s := w.r.State(); s.Changes != 0 || s.Runs < 499 {
			t.Errorf("%+v", s)
		}
	})
}

// While demand goes up steadily, the predictive policy moves guarantees before a request waits, the load policy only then.
func TestPredictivePolicyIsEarlier(t *testing.T) {
	firstMove := func(policy string) (at time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t, RebalanceConfig{Policy: policy})
			begun := time.Now()
			w.night.set(2)
			for i := range 120 {
				w.day.set(i / 8)
				time.Sleep(DefaultRebalanceInterval)
				if w.guaranteed(t)[1] > 10 {
					at = time.Since(begun)
					return
				}
			}
			t.Errorf("%s: never moved: %+v", policy, w.r.State())
		})
		return at
	}
	load, predictive := firstMove(PolicyLoad), firstMove(PolicyPredictive)
	t.Logf("first move: load after %v, predictive after %v", load, predictive)
	if predictive > load-DefaultLookahead/2 {
		t.Errorf("load moves after %v, predictive after %v", load, predictive)
	}
}

// A wave of one day and one night for five days: guarantees move back and forth, at most a few changes a wave, and never
// anything from what is in use.
func TestPredictivePolicyWithAWave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, RebalanceConfig{Policy: PolicyPredictive, Interval: 5 * time.Minute, Lookahead: time.Hour})
		warm := time.Now().Add(DefaultWarmUp * 5 * time.Minute)
		for i := range 5 * 288 {
			height := math.Sin(2 * math.Pi * float64(i) / 288)
			w.day.set(int(8 + 7*height))
			w.night.set(int(8 - 7*height))
			time.Sleep(5 * time.Minute)
			g := w.guaranteed(t)
			if time.Now().Before(warm) && g != [3]int{0, 10, 10} {
				t.Fatalf("moved while warming up: %v", g)
			}
			if i%288 == 72 && i > 288 && g[1] <= 12 || i%288 == 216 && i > 288 && g[2] <= 12 {
				t.Errorf("hour %d: guarantees %v", i/12, g)
			}
		}
		s := w.r.State()
		t.Logf("%d changes in 5 days", s.Changes)
		if s.Changes < 10 || s.Changes > 5*12 || s.Refused != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestDryRunChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, RebalanceConfig{Policy: PolicyLoad, DryRun: true})
		w.day.set(20)
		time.Sleep(10 * DefaultRebalanceInterval)
		w.stop()
		if g := w.guaranteed(t); g != [3]int{0, 10, 10} || len(w.events) == 0 || w.events[0].Details["dry_run"] != true || !strings.HasPrefix(w.events[0].Message, "guarantees would move") {
			t.Errorf("guarantees %v, events %+v", g, w.events)
		}
	})
}

// propose is a policy that calls a function.
type propose func(shares []Share) []resource.Vector

func (p propose) Propose(_ time.Time, shares []Share) ([]resource.Vector, string) {
	return p(shares), "because"
}

// A custom policy can break neither the rules nor the process.
func TestIllegalProposalsAreRefused(t *testing.T) {
	of := func(slots ...int) []resource.Vector {
		var vs []resource.Vector
		for _, n := range slots {
			vs = append(vs, resource.Vector{Slots: n})
		}
		return vs
	}
	for name, p := range map[string]propose{
		"22 slots in total, want 20": func([]Share) []resource.Vector { return of(0, 12, 10) },
		"outside 5 to 20":            func([]Share) []resource.Vector { return of(0, 4, 16) },
		"outside 5 to 16":            func([]Share) []resource.Vector { return of(0, 5, 17) },
		"for 3 components":           func([]Share) []resource.Vector { return of(10, 10) },
		"policy panicked: no":        func([]Share) []resource.Vector { panic("no") },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t, RebalanceConfig{Custom: p})
			time.Sleep(3*DefaultRebalanceInterval + time.Second)
			if s := w.r.State(); s.Refused != 3 || s.Changes != 0 || !strings.Contains(s.LastError, name) || w.guaranteed(t) != [3]int{0, 10, 10} {
				t.Errorf("%s: %+v", name, s)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, RebalanceConfig{Custom: propose(func([]Share) []resource.Vector { return of(2, 8, 10) })})
		time.Sleep(3 * DefaultRebalanceInterval)
		if w.guaranteed(t) != [3]int{2, 8, 10} || w.r.State().LastReason != "because" {
			t.Errorf("%+v", w.r.State())
		}
	})
}

// Whatever the shares, what the policies propose is legal.
func TestProposalsAreLegal(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		vector := func(what string, most int64) resource.Vector {
			return resource.VectorOf([2]int64{rapid.Int64Range(0, most).Draw(r, what), rapid.Int64Range(0, most<<44).Draw(r, what)})
		}
		var budgets []resource.Budget
		for i := range rapid.IntRange(1, 5).Draw(r, "components") {
			budgets = append(budgets, resource.Budget{Component: fmt.Sprint(i), Guaranteed: vector("base", 20), Elasticity: rapid.Float64Range(0, 1).Draw(r, "elasticity"),
				MaxLend: resource.Vector{Slots: rapid.IntRange(-1, 5).Draw(r, "lend")}, MaxBorrow: resource.Vector{Slots: rapid.IntRange(-1, 5).Draw(r, "borrow")}})
		}
		predictive := &PredictivePolicy{WarmUp: 1}
		now := time.Unix(0, 0)
		for range 6 {
			var shares []Share
			for _, x := range budgets {
				shares = append(shares, Share{Component: x.Component, Base: x.Guaranteed, Least: minGuarantee(x), Most: maxGuarantee(x, budgets), Used: vector("used", 30), Wanted: vector("wanted", 30)})
			}
			for _, p := range []Policy{LoadPolicy{}, predictive} {
				got, reason := p.Propose(now, shares)
				if got == nil {
					continue
				}
				if err := checkProposal(shares, got); err != nil || reason == "" {
					r.Fatalf("%T: %v of %+v: %v", p, got, shares, err)
				}
				for i, s := range shares { // no component loses what it uses
					for d, n := range got[i].Array() {
						if base, used := s.Base.Array()[d], s.Used.Array()[d]; n < min(base, used) {
							r.Fatalf("%T: %s keeps %d of %d, and uses %d", p, s.Component, n, base, used)
						}
					}
				}
			}
			now = now.Add(time.Duration(rapid.Int64Range(0, 600).Draw(r, "seconds")) * time.Second)
		}
	})
}

func TestNewRebalancer(t *testing.T) {
	plain := resource.NewController(nil)
	defer plain.Stop()
	if r, err := NewRebalancer(plain, RebalanceConfig{Policy: PolicyLoad}, nil); err == nil || r != nil {
		t.Errorf("NewRebalancer without budgets = %v, %v, want an error", r, err)
	}
	off, err := NewRebalancer(plain, RebalanceConfig{}, nil)
	if off.Observe(time.Now()); off != nil || err != nil || off.State().Policy != PolicyOff {
		t.Errorf("NewRebalancer with policy off = %v, %v, want nil, nil", off, err)
	}
	cfg := RebalanceConfig{Policy: "clever", Interval: 1, MinChange: math.NaN(), Lookahead: time.Second, WarmUp: -1}
	_, err = NewRebalancer(plain, cfg, nil)
	for _, field := range []string{"limits.rebalancing.policy: \"clever\"", "interval: 1ns", "min_change: NaN", "warm_up: -1"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("NewRebalancer = %v, want %q in it", err, field)
		}
	}
}

func TestObserveRunsOnceAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, RebalanceConfig{Policy: PolicyLoad})
		w.stop()
		for range 600 { // samples that come early, late and at once
			time.Sleep(time.Duration(rand.IntN(int(2 * time.Second))))
			w.r.Observe(time.Now())
		}
		elapsed := int64(600 * time.Second / DefaultRebalanceInterval)
		if runs := w.r.State().Runs; runs < elapsed*8/10 || runs > elapsed*12/10 {
			t.Errorf("Runs = %d in about %d intervals", runs, elapsed)
		}
	})
}

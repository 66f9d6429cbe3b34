package limits

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/resource"
)

// Rebalancer asks a Policy how the guarantees of a controller should be divided, and applies what it proposes. Only the
// guarantees move: the maximum of each component and the part that it never lends stay as configured. It has no goroutine:
// its owner calls Observe, for example with each sample of the controller. Its methods may be called concurrently. The nil
// Rebalancer moves nothing.
type Rebalancer struct {
	controller *resource.Controller
	cfg        RebalanceConfig
	policy     Policy
	outlet     *event.Outlet
	base       []resource.Budget // as configured

	run struct { // one run at a time
		sync.Mutex
		next      time.Time // earliest next run; zero before the first Observe
		proposals int       // consecutive proposals that are worth a change
	}

	mu    sync.Mutex
	state RebalanceState
}

var _ event.SinkSetter = (*Rebalancer)(nil)

// RebalanceState is the state of a Rebalancer.
type RebalanceState struct {
	Policy     string    `json:"policy"`
	DryRun     bool      `json:"dry_run"`
	Runs       int64     `json:"runs"`
	Changes    int64     `json:"changes"`               // Changes counts those that were made; with DryRun, those that would have been.
	LastChange time.Time `json:"last_change,omitzero"`  // LastChange is zero before the first change.
	LastReason string    `json:"last_reason,omitempty"` // LastReason is the reason of the last change.
	Refused    int64     `json:"refused"`               // Refused counts the proposals that broke the rules of Policy.
	LastError  string    `json:"last_error,omitempty"`  // LastError is the error of the last refused proposal.
}

// NewRebalancer returns a Rebalancer for the present budgets of c. It returns nil and no error if cfg is off. It fails if
// cfg is out of range or c has no budgets. After other budgets are set on c, a new Rebalancer is needed. sink receives
// budget_changed events and may be nil.
func NewRebalancer(c *resource.Controller, cfg RebalanceConfig, sink event.Sink) (*Rebalancer, error) {
	if err := cfg.Validate(); err != nil || cfg.Off() {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	r := &Rebalancer{controller: c, cfg: cfg, policy: cfg.newPolicy(), outlet: event.NewOutlet(sink), base: c.Budgets()}
	if len(r.base) == 0 {
		return nil, errors.New("limits.rebalancing.policy: there are no budgets to rebalance")
	}
	r.state = RebalanceState{Policy: cfg.Policy, DryRun: cfg.DryRun}
	if cfg.Custom != nil {
		r.state.Policy = fmt.Sprintf("%T", cfg.Custom)
	}
	return r, nil
}

// SetDefaultSink implements event.SinkSetter.
func (r *Rebalancer) SetDefaultSink(s event.Sink) {
	if r != nil {
		r.outlet.SetDefaultSink(s)
	}
}

// State returns the present state.
func (r *Rebalancer) State() RebalanceState {
	if r == nil {
		return RebalanceState{Policy: PolicyOff}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

func (r *Rebalancer) update(f func(*RebalanceState)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.state)
}

// proposalsForChange is the number of consecutive proposals that lead to a change, so that a single unusual moment moves
// nothing.
const proposalsForChange = 2

// Observe runs the policy if the interval has passed since the last run. The first call only starts the interval.
func (r *Rebalancer) Observe(now time.Time) {
	if r == nil {
		return
	}
	r.run.Lock()
	defer r.run.Unlock()
	if r.run.next.IsZero() {
		r.run.next = now.Add(r.cfg.Interval)
	}
	if now.Before(r.run.next) {
		return
	}
	if r.run.next = r.run.next.Add(r.cfg.Interval); r.run.next.Before(now) {
		r.run.next = now.Add(r.cfg.Interval)
	}

	shares := r.shares()
	proposed, reason, err := r.propose(now, shares)
	if err == nil && proposed != nil {
		err = checkProposal(shares, proposed)
	}
	r.update(func(s *RebalanceState) {
		s.Runs++
		if err != nil {
			s.Refused++
			s.LastError = err.Error()
		}
	})
	present := r.guarantees()
	if err != nil || proposed == nil || !r.worthwhile(shares, present, proposed) {
		r.run.proposals = 0
		return
	}
	if r.run.proposals++; r.run.proposals >= proposalsForChange {
		r.run.proposals = 0
		r.change(now, present, proposed, reason)
	}
}

// propose calls the policy. A panic counts as a refused proposal.
func (r *Rebalancer) propose(now time.Time, shares []Share) (proposed []resource.Vector, reason string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("policy panicked: %v", p)
		}
	}()
	proposed, reason = r.policy.Propose(now, shares)
	return proposed, reason, nil
}

// shares returns what each component has and wants now, in the order of base.
func (r *Rebalancer) shares() []Share {
	now := map[string]resource.BudgetStatus{}
	for _, s := range r.controller.GetStatus().Budgets {
		now[s.Component] = s
	}
	out := make([]Share, len(r.base))
	for i, b := range r.base {
		s := now[b.Component]
		out[i] = Share{Component: b.Component, Base: b.Guaranteed, Least: minGuarantee(b), Most: maxGuarantee(b, r.base), Used: s.Used, Wanted: s.Wanted}
	}
	return out
}

// guarantees returns the guarantees in force, in the order of base.
func (r *Rebalancer) guarantees() []resource.Vector {
	now := map[string]resource.Vector{}
	for _, b := range r.controller.Budgets() {
		now[b.Component] = b.Guaranteed
	}
	out := make([]resource.Vector, len(r.base))
	for i, b := range r.base {
		out[i] = now[b.Component]
	}
	return out
}

// worthwhile reports whether a change moves at least MinChange of all guarantees, or returns to a component a part of its
// own guarantee that it wants now. The latter may be less, since it may have been moved together with more.
func (r *Rebalancer) worthwhile(shares []Share, present, proposed []resource.Vector) bool {
	for d := range dimensions {
		var sum, most int64
		for i, s := range shares {
			base, is, next := s.Base.Array()[d], present[i].Array()[d], proposed[i].Array()[d]
			if min(next, base) > is && s.Used.Array()[d]+s.Wanted.Array()[d] > is {
				return true
			}
			sum += base
			most = max(most, next-is) // what one component gains, others lose
		}
		if most > 0 && float64(most) >= math.Ceil(r.cfg.MinChange*float64(sum)) {
			return true
		}
	}
	return false
}

// change applies the proposal and records it.
func (r *Rebalancer) change(now time.Time, present, proposed []resource.Vector, reason string) {
	var moved []map[string]any
	budgets := make([]resource.Budget, len(r.base))
	for i, b := range r.base {
		budgets[i] = withGuarantee(b, proposed[i])
		if present[i] != proposed[i] {
			moved = append(moved, map[string]any{"component": b.Component, "before": present[i], "after": proposed[i]})
		}
	}
	verb := "moved"
	if r.cfg.DryRun {
		verb = "would move"
	} else if err := r.controller.SetBudgets(budgets...); err != nil {
		r.update(func(s *RebalanceState) { s.Refused++; s.LastError = err.Error() })
		return
	}
	r.update(func(s *RebalanceState) { s.Changes++; s.LastChange, s.LastReason = now, reason })
	r.outlet.Record(event.Event{Timestamp: now, Type: event.BudgetChanged, Message: "guarantees " + verb + ": " + reason,
		Details: map[string]any{"policy": r.State().Policy, "reason": reason, "dry_run": r.cfg.DryRun, "budgets": moved}})
}

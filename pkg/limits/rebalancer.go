package limits

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/resource"
)

// Rebalancer asks a Policy now and then how guarantees should be divided, and gives a controller what it proposes. What a
// component may have at most, and what it never lends, stays as it was configured: only who is entitled moves. Its
// methods may be called concurrently, and on nil, which moves nothing.
type Rebalancer struct {
	controller *resource.Controller
	cfg        RebalanceConfig
	policy     Policy
	sink       event.Sink
	base       []resource.Budget

	mu      sync.Mutex
	state   RebalanceState
	cancel  context.CancelFunc // nil before Start
	stopped bool
	done    chan struct{}

	running int // proposals in a row that are worth it; of the one goroutine that runs
}

// RebalanceState is what a Rebalancer has done.
type RebalanceState struct {
	Policy     string    `json:"policy"`
	DryRun     bool      `json:"dry_run"`
	Runs       int64     `json:"runs"`
	Changes    int64     `json:"changes"`               // with DryRun, those that would have been
	LastChange time.Time `json:"last_change,omitzero"`  // zero: none yet
	LastReason string    `json:"last_reason,omitempty"` // of that change
	Refused    int64     `json:"refused"`               // proposals that broke the rules
	LastError  string    `json:"last_error,omitempty"`  // of the newest one refused
}

// NewRebalancer returns a rebalancer for the budgets that c has now; sink, which may be nil, takes its budget_changed
// events. It starts nothing. Where cfg is off it returns nil and no error. It fails when cfg is out of range, and when c has
// no budgets. Who sets other budgets later makes a new one.
func NewRebalancer(c *resource.Controller, cfg RebalanceConfig, sink event.Sink) (*Rebalancer, error) {
	if err := cfg.Validate(); err != nil || cfg.Off() {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	r := &Rebalancer{controller: c, cfg: cfg, policy: cfg.policy(), sink: event.OrNop(sink), base: c.Budgets(), done: make(chan struct{})}
	if len(r.base) == 0 {
		return nil, errors.New("policy: there are no budgets to rebalance")
	}
	r.state = RebalanceState{Policy: cfg.Policy, DryRun: cfg.DryRun}
	if cfg.Custom != nil {
		r.state.Policy = fmt.Sprintf("%T", cfg.Custom)
	}
	return r, nil
}

// Start runs the policy each Interval until ctx is done or Stop is called. It fails the second time and after Stop.
func (r *Rebalancer) Start(ctx context.Context) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancel != nil || r.stopped {
		return errors.New("rebalancer was started or stopped already")
	}
	ctx, r.cancel = context.WithCancel(ctx)
	go r.loop(ctx)
	return nil
}

// Stop ends the runs and waits for the one under way. The guarantees stay as they are. It is safe twice and before Start.
func (r *Rebalancer) Stop() {
	if r == nil {
		return
	}
	r.mu.Lock()
	cancel := r.cancel
	r.stopped = true
	r.mu.Unlock()
	if cancel != nil {
		cancel()
		<-r.done
	}
}

// State returns what was done so far.
func (r *Rebalancer) State() RebalanceState {
	if r == nil {
		return RebalanceState{Policy: PolicyOff}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

func (r *Rebalancer) loop(ctx context.Context) {
	defer close(r.done)
	tick := time.NewTicker(r.cfg.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.run(time.Now())
		}
	}
}

// settled is how many proposals in a row make a change, so that one odd moment moves nothing.
const settled = 2

// run asks the policy once.
func (r *Rebalancer) run(now time.Time) {
	shares := r.shares()
	proposed, reason, err := r.ask(now, shares)
	if err == nil && proposed != nil {
		err = legal(shares, proposed)
	}
	r.note(func(s *RebalanceState) {
		s.Runs++
		if err != nil {
			s.Refused++
			s.LastError = err.Error()
		}
	})
	present := r.present()
	if err != nil || proposed == nil || !r.worth(shares, present, proposed) {
		r.running = 0
		return
	}
	if r.running++; r.running < settled {
		return
	}
	r.running = 0
	r.change(now, present, proposed, reason)
}

// ask calls the policy, whose panic is a proposal refused.
func (r *Rebalancer) ask(now time.Time, shares []Share) (proposed []resource.Vector, reason string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("policy panicked: %v", p)
		}
	}()
	proposed, reason = r.policy.Propose(now, shares)
	return proposed, reason, nil
}

func (r *Rebalancer) note(f func(*RebalanceState)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.state)
}

// present returns the guarantees in force, in the order of base.
func (r *Rebalancer) present() []resource.Vector {
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

// worth reports whether a part of the change is at least MinChange of what is guaranteed, or gives somebody back of its own
// what it wants now: that may be less, for it may have been moved along with more.
func (r *Rebalancer) worth(shares []Share, present, proposed []resource.Vector) bool {
	for d := range units {
		var sum, most int64
		for i, s := range shares {
			base, is, next := s.Base.Array()[d], present[i].Array()[d], proposed[i].Array()[d]
			if min(next, base) > is && s.Used.Array()[d]+s.Wanted.Array()[d] > is {
				return true
			}
			sum += base
			most = max(most, next-is) // where one gets more, others get less
		}
		if most > 0 && float64(most) >= math.Ceil(r.cfg.MinChange*float64(sum)) {
			return true
		}
	}
	return false
}

// change puts the proposal in force, and says so.
func (r *Rebalancer) change(now time.Time, present, proposed []resource.Vector, reason string) {
	var moved []map[string]any
	budgets := make([]resource.Budget, len(r.base))
	for i, b := range r.base {
		budgets[i] = entitled(b, proposed[i])
		if present[i] != proposed[i] {
			moved = append(moved, map[string]any{"component": b.Component, "before": present[i], "after": proposed[i]})
		}
	}
	e := event.Event{Timestamp: now, Type: event.BudgetChanged, Message: "guarantees were moved: " + reason,
		Details: map[string]any{"policy": r.State().Policy, "reason": reason, "dry_run": r.cfg.DryRun, "budgets": moved}}
	if r.cfg.DryRun {
		e.Message = "guarantees would be moved: " + reason
	} else if err := r.controller.SetBudgets(budgets...); err != nil {
		r.note(func(s *RebalanceState) { s.Refused++; s.LastError = err.Error() })
		return
	}
	r.note(func(s *RebalanceState) { s.Changes++; s.LastChange, s.LastReason = now, reason })
	r.sink.Record(e)
}

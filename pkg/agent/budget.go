package agent

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/resource"
)

// ErrRevoked is why a scan is stopped whose slot another component wants back: context.Cause of the context of
// Scanner.Scan. The job goes back to its source.
var ErrRevoked = errors.New("its slot is wanted back by the component that lent it")

// component is whose budget pays for jobs of a scanner: its own where there is one, else that of all others.
func (a *Agent) component(scanner string) string {
	for _, b := range a.cfg.Resource.Budgets {
		if b.Component == scanner {
			return scanner
		}
	}
	return resource.DefaultComponent
}

// goroutines are what a job is counted with where there are budgets.
func (a *Agent) goroutines() int {
	if len(a.cfg.Resource.Budgets) == 0 {
		return 0
	}
	return limits.GoroutinesPerJob
}

// room waits until there is a place for one more job. With budgets no slot is held while the source is asked: whose it
// would be is not known before the job, and what is held for one component is kept from the others. And who is guaranteed
// a slot gets it back only when its job is known, so that jobs are taken while all slots are in use, too. They wait for
// their component; no more do than there are slots.
func (a *Agent) room(ctx context.Context) error {
	tick := time.NewTicker(cmp.Or(a.cfg.Resource.SampleInterval, resource.DefaultSampleInterval))
	defer tick.Stop()
	for {
		if s := a.controller.GetStatus(); a.board.waiting() < s.MaxJobs {
			if !s.Throttled && owed(s.Budgets) {
				return nil
			}
			if found, err := a.anyRoom(ctx, s); found || err != nil {
				return err
			}
		}
		select {
		case <-a.board.ended:
		case <-tick.C: // the host is measured, or budgets are moved
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// owed reports whether a component has fewer slots than it is guaranteed, with all that wait for it.
func owed(budgets []resource.BudgetStatus) bool {
	return slices.ContainsFunc(budgets, func(b resource.BudgetStatus) bool { return b.Used.Slots+b.Wanted.Slots < b.Guaranteed.Slots })
}

// anyRoom reports whether there is room for a job of any component.
func (a *Agent) anyRoom(ctx context.Context, s resource.ControllerStatus) (bool, error) {
	if s.ActiveSlots >= s.MaxJobs {
		return false, ctx.Err()
	}
	for _, b := range s.Budgets {
		err := a.controller.Room(resource.Request{Component: b.Component, Goroutines: a.goroutines()})
		if err == nil || errors.Is(err, resource.ErrClosed) {
			return err == nil, err
		}
	}
	return false, ctx.Err()
}

// heed stops the scan when its slot is revoked and the grace is over. What it returns ends the watch.
func (r *run) heed() (stop func()) {
	if len(r.a.cfg.Resource.Budgets) == 0 {
		return func() {}
	}
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-r.slot.Revoked():
		case <-over:
			return
		}
		grace := time.NewTimer(cmp.Or(r.a.cfg.Resource.RevokeGrace, resource.DefaultRevokeGrace))
		defer grace.Stop()
		select {
		case <-grace.C:
			r.cancel(ErrRevoked)
		case <-over:
		}
	}()
	return func() { close(over); <-done }
}

package agent

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/rediverio/sdk/pkg/resource"
)

// ErrRevoked is the cause with which a scan is cancelled whose slot was reclaimed by another component. The job returns to
// its source.
var ErrRevoked = errors.New("slot was reclaimed by another component")

// component returns the component whose budget pays for the jobs of a scanner.
func (a *Agent) component(scanner string) string {
	for _, b := range a.cfg.Resource.Budgets {
		if b.Component == scanner {
			return scanner
		}
	}
	return resource.DefaultComponent
}

// awaitPlace waits until one more job may be taken. With budgets no slot is held while the source is asked, because the
// component of the job is not known yet, and a slot held for one component is missing for the others. A component gets
// its guaranteed slot back only when its job is known; so jobs are taken while all slots are in use as well, and wait for
// their component. There are never more waiting jobs than slots.
func (a *Agent) awaitPlace(ctx context.Context) error {
	sampled, cancel := a.controller.Subscribe()
	defer cancel()
	for {
		s := a.controller.GetStatus()
		if _, waiting := a.status.inHand(); waiting < s.MaxJobs {
			if !s.Throttled && hasUnusedGuarantee(s.Budgets) {
				return nil
			}
			if found, err := a.anyComponentFits(ctx, s); found || err != nil {
				return err
			}
		}
		select {
		case <-a.status.ended:
		case <-sampled: // a sample or the rebalancing may have changed the state
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hasUnusedGuarantee reports whether a component uses and waits for fewer slots than it is guaranteed.
func hasUnusedGuarantee(budgets []resource.BudgetStatus) bool {
	return slices.ContainsFunc(budgets, func(b resource.BudgetStatus) bool { return b.Used.Slots+b.Wanted.Slots < b.Guaranteed.Slots })
}

// anyComponentFits reports whether a job of any component could be admitted now.
func (a *Agent) anyComponentFits(ctx context.Context, s resource.ControllerStatus) (bool, error) {
	if s.ActiveSlots >= s.MaxJobs {
		return false, ctx.Err()
	}
	for _, b := range s.Budgets {
		err := a.controller.CanAcquire(resource.Request{Component: b.Component})
		if err == nil || errors.Is(err, resource.ErrClosed) {
			return err == nil, err
		}
	}
	return false, ctx.Err()
}

// watchRevocation stops the scan when its slot was revoked and the grace period is over. The returned function ends the
// watch and blocks until it has ended.
func (r *run) watchRevocation() (stop func()) {
	if len(r.a.cfg.Resource.Budgets) == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-r.slot.Revoked():
			if sleep(ctx, cmp.Or(r.a.cfg.Resource.RevokeGrace, resource.DefaultRevokeGrace)) == nil {
				r.cancel(ErrRevoked)
			}
		case <-ctx.Done():
		}
	}()
	return func() { cancel(); <-done }
}

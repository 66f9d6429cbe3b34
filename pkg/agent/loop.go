package agent

import (
	"context"
	"io"
	"time"

	"github.com/rediverio/sdk/internal/retry"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/resource"
)

// maxBatch is the maximum number of jobs that are asked for at once.
const maxBatch = 64

// takeJobs takes jobs while there are slots for them, until ctx or the source ends. It always returns an error.
func (a *Agent) takeJobs(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(a.scanCtx, stop)() // after Abort no job is taken either
	backoff := retry.Policy{Initial: time.Second, Max: max(a.cfg.RetryDelay, time.Millisecond)}
	failures := 0
	for {
		slots, err := a.holdSlots(ctx)
		if err != nil {
			return err
		}
		before, _ := a.status.inHand() // a job that ends after Next has returned may be delivered again
		jobs, err := a.cfg.Source.Next(ctx, job.Want{Max: len(slots), Wait: a.cfg.PollWait, Kinds: []string{job.KindScan}})
		admitted := a.startAll(jobs, slots)
		switch {
		// Only io.EOF itself is the end: a source that cannot be reached may return an error that wraps it.
		case err == io.EOF && before == 0 && len(jobs) == 0:
			return io.EOF
		case err == io.EOF:
			select {
			case <-a.status.ended:
			case <-ctx.Done():
				return ctx.Err()
			}
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			a.problem(job.Spec{}, "job source failed", err)
			failures++
			if err := sleep(ctx, backoff.Delay(failures)); err != nil {
				return err
			}
		default:
			failures = 0
		}
		if len(a.cfg.Resource.Budgets) > 0 {
			continue // a job may wait for its own component, which must not delay the others
		}
		// A job that needs more than its slot queues for it like this loop does: taking slots now would make it wait for as
		// long as the source is asked.
		for _, ready := range admitted {
			select {
			case <-ready:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// startAll starts the jobs on the slots that are held for them, and releases the other slots. Each channel is closed when
// its job has the resources it needs, or has ended.
func (a *Agent) startAll(jobs []job.Job, slots []*resource.Slot) (admitted []<-chan struct{}) {
	for i, j := range jobs {
		if i >= len(slots) { // the source returned more jobs than it was asked for: this one waits for a slot
			slots = append(slots, nil)
		}
		admitted = append(admitted, a.start(j, slots[i]))
	}
	for _, s := range slots[len(jobs):] {
		s.Release()
	}
	return admitted
}

// holdSlots waits for one slot and takes the others that are free, so that no job is taken that cannot run. With budgets
// it waits for a place without a slot, which is returned as nil.
func (a *Agent) holdSlots(ctx context.Context) ([]*resource.Slot, error) {
	if len(a.cfg.Resource.Budgets) > 0 {
		return []*resource.Slot{nil}, a.awaitPlace(ctx)
	}
	one, err := a.controller.Acquire(ctx, resource.Request{})
	if err != nil {
		return nil, err
	}
	slots := []*resource.Slot{one}
	for len(slots) < maxBatch && a.controller.CanAcquire(resource.Request{}) == nil {
		s, err := a.controller.TryAcquire(ctx, resource.Request{})
		if err != nil {
			break
		}
		slots = append(slots, s)
	}
	return slots, nil
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

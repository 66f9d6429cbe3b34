package agent_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// byScanner has a behaviour for each scanner.
type byScanner map[string]sdktest.Behaviour

func (s byScanner) does(ctx context.Context, req scan.Request) (*report.Report, error) {
	return s[req.Scanner](ctx, req)
}

func budgets(slots int, bs ...resource.Budget) func(*agent.Config) {
	return func(c *agent.Config) { c.Resource.MaxConcurrentJobs, c.Resource.Budgets = slots, bs }
}

// A scanner with a budget gets the next slot that is released, before jobs of other scanners that came earlier.
func TestScannerWithABudgetIsServedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		one := make(chan struct{})
		b.scanner.Does(byScanner{"slow": sdktest.After(one, sdktest.Finds(1)), "quick": sdktest.Finds(1)}.does)
		for range 3 {
			b.source.Add(job.Spec{Scanner: "slow"})
		}
		b.start(t, budgets(2, resource.Budget{Component: "quick", Guaranteed: resource.Vector{Slots: 1}}))
		must(t, b.scanner.WaitRunning(limit(t), 2))
		quick := b.source.Add(job.Spec{Scanner: "quick"})[0]
		time.Sleep(time.Minute)
		s := b.agent.Status()
		if now, _ := b.scanner.Running(); now != 2 || len(s.Jobs) > 2+2 || len(s.Jobs)-s.JobsWaiting != 2 {
			t.Errorf("%d jobs running, %d held, %d waiting; want 2 running and at most 2 waiting", now, len(s.Jobs), s.JobsWaiting)
		}
		if d := s.Resource.Budgets[0]; d.Component != "default" || d.Used.Slots != 2 {
			t.Errorf("%+v", s.Resource.Budgets)
		}
		if quick.State() == sdktest.Acked {
			t.Fatal("a third job has ended while two were running on two slots")
		}
		one <- struct{}{} // one slow job ends
		must(t, quick.WaitState(limit(t), sdktest.Acked))
		requests := b.scanner.Requests()
		if len(requests) < 3 || requests[2].Scanner != "quick" {
			t.Errorf("requests %+v, want the quick scanner as the third", requests)
		}
		close(one)
	})
}

// Jobs of a scanner whose budget is full do not prevent the agent from taking jobs of others, even if every slot is
// guaranteed.
func TestFullBudgetDoesNotStopTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		hold := make(chan struct{})
		b.scanner.Does(byScanner{"capped": sdktest.After(hold, sdktest.Finds(1)), "other": sdktest.Finds(1)}.does)
		b.source.Add(job.Spec{Scanner: "capped"}, job.Spec{Scanner: "capped"})
		b.start(t, budgets(3,
			resource.Budget{Component: "capped", Guaranteed: resource.Vector{Slots: 1}, MaxBorrow: resource.Vector{Slots: -1}, MaxLend: resource.Vector{Slots: -1}},
			resource.Budget{Component: "other", Guaranteed: resource.Vector{Slots: 2}, MaxLend: resource.Vector{Slots: -1}}))
		must(t, b.scanner.WaitRunning(limit(t), 1))
		time.Sleep(time.Minute)
		for range 10 {
			must(t, b.source.Add(job.Spec{Scanner: "other"})[0].WaitState(limit(t), sdktest.Acked))
		}
		if now, _ := b.scanner.Running(); now != 1 {
			t.Errorf("%d scans of the capped scanner are running, want 1", now)
		}
		close(hold)
		// There is no budget for any other scanner: its job can never run and fails.
		none := b.source.Add(job.Spec{Scanner: "unbudgeted"})[0]
		must(t, none.WaitState(limit(t), sdktest.Failed))
	})
}

// A job that needs more than its budget has takes all of the budget.
func TestJobNeedsAtMostItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.scanner.SetCost(8, 0)
		b.source.Add(job.Spec{Scanner: "x"})
		b.start(t, budgets(4, resource.Budget{Component: "x", Guaranteed: resource.Vector{Slots: 2}, MaxBorrow: resource.Vector{Slots: -1}}), func(*agent.Config) {
			b.scanner.Does(sdktest.Hangs())
		})
		must(t, b.scanner.WaitRunning(limit(t), 1))
		if n := b.agent.Status().Resource.ActiveSlots; n != 2 {
			t.Errorf("job takes %d slots, want those of its budget", n)
		}
	})
}

// A scan whose slot is reclaimed may continue for the grace period, is then cancelled with the cause, and its job is
// delivered again.
func TestRevokedScanIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		why := make(chan error, 1)
		b.scanner.Does(byScanner{
			"batch": func(ctx context.Context, req scan.Request) (*report.Report, error) {
				<-ctx.Done()
				why <- context.Cause(ctx)
				return nil, ctx.Err()
			},
			"urgent": sdktest.Finds(1),
		}.does)
		batch := b.source.Add(job.Spec{Scanner: "batch", Attempt: agent.DefaultMaxAttempts})[0]
		b.start(t, budgets(1, resource.Budget{Component: "urgent", Guaranteed: resource.Vector{Slots: 1}, Priority: 1, Revoke: true}), func(c *agent.Config) {
			c.Resource.SampleInterval = time.Second
		})
		must(t, b.scanner.WaitRunning(limit(t), 1))
		urgent := b.source.Add(job.Spec{Scanner: "urgent"})[0]
		select {
		case err := <-why:
			if !errors.Is(err, agent.ErrRevoked) {
				t.Errorf("cause of the end of the scan = %v, want ErrRevoked", err)
			}
		case <-limit(t).Done():
			t.Fatalf("slot was not revoked: %+v", b.agent.Status().Resource)
		}
		must(t, urgent.WaitState(limit(t), sdktest.Acked))
		calls, err := batch.WaitCalls(limit(t), 1, "nak")
		must(t, err)
		if calls[0].Delay != agent.DefaultRetryDelay {
			t.Errorf("Nak with a delay of %v, want RetryDelay", calls[0].Delay)
		}
		if s := b.agent.Status(); s.JobsFailed != 0 || len(s.Problems) != 0 || s.JobsReturned != 1 {
			t.Errorf("Status() = %+v, want no failure and one job returned", s)
		}
		failed := b.events.OfType(event.JobFailed)
		if len(failed) == 0 || failed[0].Severity != event.Warn || failed[0].Duration < resource.DefaultRevokeGrace {
			t.Errorf("%+v", failed)
		}
	})
}

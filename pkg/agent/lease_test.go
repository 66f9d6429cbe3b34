package agent_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/sdktest"
)

func TestLeaseIsExtendedEveryThirdOfItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		done := make(chan struct{})
		b.scanner.Does(sdktest.After(done, sdktest.Finds(1)))
		release := b.uploader.Hang()
		j := b.source.Add(job.Spec{LeaseTTL: 30 * time.Second})[0]
		b.start(t)
		synctest.Wait()
		begun := time.Now()
		time.Sleep(time.Minute)
		close(done)
		must(t, b.uploader.WaitHanging(limit(t), 1))
		time.Sleep(time.Minute - time.Second)
		release()
		must(t, j.WaitState(limit(t), sdktest.Acked))
		calls := j.Calls(sdktest.Extend)
		if len(calls) != 11 {
			t.Errorf("%d extensions in 119 s of scan and upload", len(calls))
		}
		for i, c := range calls {
			if want := time.Duration(i+1) * 10 * time.Second; c.Time.Sub(begun) != want {
				t.Errorf("extension %d after %v, want every third of the TTL", i, c.Time.Sub(begun))
			}
		}
		time.Sleep(time.Hour)
		if n := len(j.Calls(sdktest.Extend)); n != len(calls) {
			t.Errorf("%d extensions after the end of the job, want 0", n-len(calls))
		}
	})
}

func TestScanIsStoppedWhenItsJobIsGone(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*sdktest.Job)
		want error
	}{{"lease lost", (*sdktest.Job).LoseLease, job.ErrLeaseLost}, {"canceled", (*sdktest.Job).Cancel, job.ErrCanceled}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bed
				var cause error
				b.scanner.DoesNext(func(ctx context.Context, req scan.Request) (*report.Report, error) {
					<-ctx.Done()
					cause = context.Cause(ctx)
					return nil, ctx.Err()
				})
				j := b.source.Add(job.Spec{LeaseTTL: 30 * time.Second})[0]
				b.start(t)
				must(t, b.scanner.WaitRunning(limit(t), 1))
				c.do(j)
				e, err := b.events.WaitFor(limit(t), event.JobFailed)
				must(t, err)
				if !errors.Is(cause, c.want) || e.Details["given_up"] != c.want.Error() {
					t.Errorf("cause %v, event %+v; want the reason in both", cause, e)
				}
				time.Sleep(time.Hour)
				if got := verbs(j.Calls()); got != "extend" {
					t.Errorf("verbs %q of a job that belongs to another agent, want none", got)
				}
				other := b.source.Add(job.Spec{})[0]
				must(t, other.WaitState(limit(t), sdktest.Acked))
			})
		})
	}
}

// If the lease is lost after the scan, while the report waits for the network, the report is uploaded and no method of the
// job is called.
func TestLeaseLostDuringTheUploadCallsNoVerb(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		release := b.uploader.Hang()
		j := b.source.Add(job.Spec{LeaseTTL: 30 * time.Second})[0]
		b.start(t)
		must(t, b.uploader.WaitHanging(limit(t), 1))
		j.LoseLease()
		time.Sleep(time.Minute)
		release()
		must(t, b.uploader.WaitFor(limit(t), 1))
		time.Sleep(time.Minute)
		if got := verbs(j.Calls()); got != "extend" {
			t.Errorf("verbs %q", got)
		}
	})
}

func TestLeaseSurvivesASourceThatIsDownForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		done := make(chan struct{})
		b.scanner.Does(sdktest.After(done, sdktest.Finds(1)))
		j := b.source.Add(job.Spec{LeaseTTL: 30 * time.Second})[0]
		b.start(t)
		must(t, b.scanner.WaitRunning(limit(t), 1))
		j.FailNext(2, errors.New("no route to host"))
		time.Sleep(45 * time.Second)
		close(done)
		must(t, j.WaitState(limit(t), sdktest.Acked))
		if p := b.agent.Status().Problems; len(p) != 2 {
			t.Errorf("Problems = %+v", p)
		}
	})
}

func TestTinyLeaseIsExtendedAtABoundedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.scanner.Does(sdktest.Hangs())
		j := b.source.Add(job.Spec{LeaseTTL: 1})[0]
		b.start(t)
		must(t, b.scanner.WaitRunning(limit(t), 1))
		time.Sleep(10 * time.Second)
		if n := len(j.Calls(sdktest.Extend)); n == 0 || n > 100 {
			t.Errorf("%d extensions in 10 s, want at most 100", n)
		}
	})
}

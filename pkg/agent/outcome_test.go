package agent_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/sdktest"
)

func TestJobIsAcknowledgedAfterItsReportIsUploaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		release := b.uploader.Hang()
		j := b.source.Add(job.Spec{ID: "j"})[0]
		b.start(t)
		must(t, b.uploader.WaitHanging(limit(t), 1))
		if _, err := b.events.WaitFor(limit(t), event.JobCompleted); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if c := j.Calls(); len(c) != 0 {
			t.Fatalf("calls %+v before the report is uploaded, want none", c)
		}
		if s := b.agent.Status(); len(s.Jobs) != 0 || s.JobsCompleted != 1 || s.Pipeline.InProgress != 1 {
			t.Errorf("Status() = %+v during the upload, want the job completed", s)
		}
		release()
		must(t, j.WaitState(limit(t), sdktest.Acked))
		if got := verbs(j.Calls()); got != "ack" {
			t.Errorf("verbs %q", got)
		}
	})
}

func TestJobWhoseReportIsRefusedFails(t *testing.T) {
	var b bed
	b.uploader.FailNext(1, sdktest.Permanent("no such project"))
	j := b.source.Add(job.Spec{})[0]
	b.source.End()
	b.start(t)
	must(t, b.end(t))
	calls := j.Calls()
	if verbs(calls) != "fail" || !strings.Contains(calls[0].Reason, "no such project") {
		t.Errorf("calls %+v", calls)
	}
}

func TestUploadsAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.uploader.FailNext(1, errors.New("connection reset"))
		b.uploader.FailNext(5, sdktest.Unavailable("no route"))
		b.uploader.FailNext(1, sdktest.RetryAfter(time.Minute))
		b.uploader.PanicNext()
		b.uploader.FailNext(1, sdktest.Unauthorized("token expired"))
		j := b.source.Add(job.Spec{})[0]
		b.start(t, func(c *agent.Config) { c.Pipeline.RetryAttempts = 10 })
		if err := j.WaitState(limit(t), sdktest.Acked, sdktest.Failed); err != nil || j.State() == sdktest.Failed {
			t.Fatal(err, j.Calls(), b.events.OfType(event.UploadRetry, event.UploadFailed))
		}
		if n := b.uploader.Attempts(); n != 10 || len(b.uploader.Reports()) != 1 {
			t.Errorf("%d upload attempts, %d reports", n, len(b.uploader.Reports()))
		}
	})
}

func TestFailedScanFailsTheJob(t *testing.T) {
	var b bed
	b.scanner.Does(sdktest.Fails(errors.New("no such target")))
	j := b.source.Add(job.Spec{})[0]
	b.source.End()
	var ended agent.JobResult
	b.start(t, func(c *agent.Config) { c.OnJob = func(r agent.JobResult) { ended = r } })
	must(t, b.end(t))
	if c := j.Calls(); verbs(c) != "fail" || c[0].Reason != "no such target" {
		t.Errorf("calls %+v", c)
	}
	if e := b.events.OfType(event.JobFailed); len(e) != 1 || e[0].Error != "no such target" || e[0].Severity != event.Error || e[0].JobID != j.Spec().ID {
		t.Errorf("events %+v", e)
	}
	if ended.Err == nil || ended.Result != nil || ended.Spec.ID != j.Spec().ID || len(b.uploader.Parts()) != 0 {
		t.Errorf("result %+v, %d parts", ended, len(b.uploader.Parts()))
	}
}

func TestTemporaryFailureIsTriedMaxAttemptsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.scanner.Does(sdktest.Fails(sdktest.Temporary("cannot fork")))
		j := b.source.Add(job.Spec{})[0]
		b.start(t, func(c *agent.Config) { c.MaxAttempts, c.RetryDelay = 4, 90*time.Second })
		must(t, j.WaitState(limit(t), sdktest.Failed))
		calls := j.Calls()
		if verbs(calls) != "nak nak nak fail" || !strings.Contains(calls[3].Reason, "cannot fork") {
			t.Fatalf("calls %+v", calls)
		}
		for i, c := range calls[:3] {
			if c.Delay != 90*time.Second || calls[i+1].Time.Sub(c.Time) < c.Delay {
				t.Errorf("attempt %d: %+v, next at %v", i+1, c, calls[i+1].Time)
			}
		}
	})
}

func TestTimeLimitOfTheJobReachesTheScanner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.scanner.Does(sdktest.Hangs())
		j := b.source.Add(job.Spec{Timeout: 10 * time.Minute})[0]
		b.start(t)
		begun := time.Now()
		must(t, j.WaitState(limit(t), sdktest.Failed))
		if d := time.Since(begun); d != 10*time.Minute {
			t.Errorf("stopped after %v", d)
		}
		if e := b.events.OfType(event.JobTimeout); len(e) != 1 || e[0].Details["cause"] != "timeout" {
			t.Errorf("events %+v", e)
		}
	})
}

func TestPanicOfAScannerFailsOnlyItsJob(t *testing.T) {
	var b bed
	b.scanner.DoesNext(sdktest.Panics("index out of range"))
	jobs := b.source.Add(job.Spec{}, job.Spec{})
	b.source.End()
	b.start(t, func(c *agent.Config) { c.Resource.MaxConcurrentJobs = 1 })
	must(t, b.end(t))
	if c := jobs[0].Calls(); verbs(c) != "fail" || !strings.Contains(c[0].Reason, "index out of range") || !strings.Contains(c[0].Reason, "behaviour.go") {
		t.Errorf("calls %+v", c)
	}
	if jobs[1].State() != sdktest.Acked || b.agent.Status().Resource.ActiveSlots != 0 {
		t.Errorf("the other job is %s, want acked; %+v", jobs[1].State(), b.agent.Status().Resource)
	}
}

func TestPanicOfOnJobIsRecorded(t *testing.T) {
	var b bed
	jobs := b.source.Add(job.Spec{}, job.Spec{})
	b.source.End()
	b.start(t, func(c *agent.Config) { c.OnJob = func(agent.JobResult) { panic("user code") } })
	must(t, b.end(t))
	for _, j := range jobs {
		if j.State() != sdktest.Acked {
			t.Errorf("job is %s, want acked", j.State())
		}
	}
	if p := b.agent.Status().Problems; len(p) != 2 || !strings.Contains(p[0].Error, "user code") {
		t.Errorf("Problems = %+v", p)
	}
}

func TestJobIsReturnedWhenTheQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		release := b.uploader.Hang()
		jobs := b.source.Add(job.Spec{}, job.Spec{})
		b.start(t, func(c *agent.Config) { c.Pipeline.QueueSize, c.Resource.MaxConcurrentJobs = 1, 1 })
		_, err := jobs[1].WaitCalls(limit(t), 1, sdktest.Nak)
		must(t, err)
		release()
		must(t, b.source.WaitEnded(limit(t)))
		if got := verbs(jobs[1].Calls()); got != "nak ack" || jobs[0].State() != sdktest.Acked {
			t.Errorf("verbs %q, want nak first; the first job is %s", got, jobs[0].State())
		}
	})
}

func TestExpiredJobIsNotStarted(t *testing.T) {
	var b bed
	j := b.source.Add(job.Spec{NotAfter: time.Now().Add(-time.Minute)})[0]
	b.source.End()
	b.start(t)
	must(t, b.end(t))
	if c := j.Calls(); verbs(c) != "fail" || !strings.Contains(c[0].Reason, "expired") || len(b.scanner.Requests()) != 0 {
		t.Errorf("calls %+v, %d scans", c, len(b.scanner.Requests()))
	}
}

// A source may deliver a job again while the agent still holds it. Both would write the same report.
func TestJobInHandIsNotStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		release := b.uploader.Hang()
		jobs := b.source.Add(job.Spec{ID: "same"}, job.Spec{ID: "same"})
		b.start(t)
		_, err := b.events.WaitFor(limit(t), event.JobFailed)
		must(t, err)
		release()
		must(t, b.source.WaitEnded(limit(t)))
		first, second := verbs(jobs[0].Calls()), verbs(jobs[1].Calls())
		if !(first == "ack" && second == "nak ack" || first == "nak ack" && second == "ack") {
			t.Errorf("verbs %q and %q", first, second)
		}
	})
}

func TestReportIDIsMadeFromTheJobID(t *testing.T) {
	var b bed
	b.source.Add(job.Spec{ID: "häßlich/../../name\n"})
	b.source.End()
	b.start(t)
	must(t, b.end(t))
	got := b.uploader.Reports()
	if len(got) != 1 || report.CheckID("id", got[0].Metadata.ID) != nil || b.scanner.Requests()[0].JobID != "häßlich/../../name\n" {
		t.Errorf("reports %+v", got)
	}
}

func TestMethodsOfAJobAreCalledAgainWhileTheSourceIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.scanner.DoesNext(sdktest.Finds(1), sdktest.Fails(errors.New("broken")))
		jobs := b.source.Add(job.Spec{}, job.Spec{})
		for _, j := range jobs {
			j.FailNext(3, errors.New("source is down"))
		}
		b.source.End()
		b.start(t, func(c *agent.Config) { c.Resource.MaxConcurrentJobs = 1 })
		must(t, b.end(t))
		if got := verbs(jobs[0].Calls()) + ", " + verbs(jobs[1].Calls()); got != "ack ack ack ack, fail fail fail fail" {
			t.Errorf("verbs %q", got)
		}
		if p := b.agent.Status().Problems; len(p) != 1 { // the failed job
			t.Errorf("Problems = %+v", p)
		}
	})
}

func TestFailedMethodOfAJobIsRecorded(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		calls int
	}{
		"down for good":     {errors.New("source is down"), 5}, // at 0, 1, 3, 7 and 15 seconds
		"refused":           {sdktest.Permanent("no such job"), 1},
		"lease lost":        {job.ErrLeaseLost, 1},
		"withdrawn already": {job.ErrCanceled, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bed
				j := b.source.Add(job.Spec{})[0]
				j.FailNext(100, c.err)
				b.source.End()
				b.start(t)
				must(t, b.end(t))
				p := b.agent.Status().Problems
				if len(j.Calls()) != c.calls || len(p) != 1 || p[0].Error != c.err.Error() || len(b.events.OfType(event.AgentError)) != 1 {
					t.Errorf("%d calls, problems %+v", len(j.Calls()), p)
				}
			})
		})
	}
}

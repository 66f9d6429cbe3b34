package agent_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
)

func TestPanicOfACallbackDoesNotKeepTheJobFromEnding(t *testing.T) {
	for _, refused := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var b bed
			j := b.source.Add(job.Spec{})[0]
			b.start(t, func(c *agent.Config) {
				if refused {
					c.Uploader = pipeline.UploaderFunc(func(context.Context, *part.Part) (*pipeline.Result, error) { return nil, refusal{} })
				}
				c.Pipeline.OnCompleted = func(item *pipeline.QueueItem, _ *pipeline.Result) { item.ID = ""; panic("user code") }
				c.Pipeline.OnFailed = func(item *pipeline.QueueItem, _ error) { item.ID = ""; panic("user code") }
			})
			must(t, b.source.WaitEnded(limit(t)))
			want := map[bool]string{false: "ack", true: "fail"}[refused]
			if got := verbs(j.Calls()); got != want {
				t.Errorf("verbs %q, want %q", got, want)
			}
		})
	}
}

type refusal struct{}

func (refusal) Error() string   { return "refused" }
func (refusal) Permanent() bool { return true }

// scanFunc is a function that is a Scanner.
type scanFunc func(req scan.Request, open scan.OpenFunc) (*scan.Result, error)

func (f scanFunc) Scan(_ context.Context, req scan.Request, open scan.OpenFunc) (*scan.Result, error) {
	return f(req, open)
}

func TestScannerWithoutResultFailsItsJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		j := b.source.Add(job.Spec{})[0]
		b.start(t, func(c *agent.Config) {
			c.Scanner = scanFunc(func(scan.Request, scan.OpenFunc) (*scan.Result, error) { return nil, nil })
		})
		must(t, b.source.WaitEnded(limit(t)))
		if c := j.Calls(); verbs(c) != "fail" || !strings.Contains(c[0].Reason, "neither a result") {
			t.Errorf("calls %+v, want one of Fail with the reason", c)
		}
	})
}

// A scanner may open no report; there is no upload to wait for then.
func TestJobWithoutAReportIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		j := b.source.Add(job.Spec{})[0]
		b.start(t, func(c *agent.Config) {
			c.Scanner = scanFunc(func(scan.Request, scan.OpenFunc) (*scan.Result, error) { return &scan.Result{}, nil })
		})
		must(t, b.source.WaitEnded(limit(t)))
		if got := verbs(j.Calls()); got != "ack" {
			t.Errorf("verbs %q", got)
		}
	})
}

// The report of a job has the ID of the job, whatever ID the scanner has given it.
func TestReportWithAnotherIDEndsItsJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		jobs := b.source.Add(job.Spec{}, job.Spec{})
		ids := map[string]string{jobs[0].Spec().ID: "", jobs[1].Spec().ID: "my-own"}
		b.start(t, func(c *agent.Config) {
			c.Scanner = scanFunc(func(req scan.Request, open scan.OpenFunc) (*scan.Result, error) {
				w, err := open(&report.Report{Metadata: report.Metadata{ID: ids[req.JobID]}})
				if err != nil {
					return nil, err
				}
				sum, err := w.Close()
				return &scan.Result{ReportID: w.Head().Metadata.ID, Summary: sum}, err
			})
		})
		must(t, b.source.WaitEnded(limit(t)))
		for _, j := range jobs {
			if got := verbs(j.Calls()); got != "ack" {
				t.Errorf("job %s: verbs %q, want ack", j.Spec().ID, got)
			}
		}
	})
}

// A report that was lost by the stop of the agent is not the fault of the job, which another agent may do.
func TestJobWhoseReportWasOnlyInMemoryIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		j := b.source.Add(job.Spec{})[0]
		b.start(t, func(c *agent.Config) {
			c.Pipeline.RetryDelay, c.Pipeline.MaxRetryDelay = time.Hour, time.Hour
			c.Uploader = pipeline.UploaderFunc(func(context.Context, *part.Part) (*pipeline.Result, error) {
				return nil, errors.New("connection refused")
			})
		})
		time.Sleep(time.Minute)
		b.cancel()
		_ = b.end(t)
		if got := verbs(j.Calls()); got != "nak" {
			t.Errorf("verbs %q", got)
		}
	})
}

// After its lease was lost, a job may be delivered again while its first report still waits for the receiver.
func TestJobWhoseLeaseWasLostDuringTheUploadIsDoneAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		release := b.uploader.Hang()
		first := b.source.Add(job.Spec{ID: "same", LeaseTTL: 30 * time.Second})[0]
		b.start(t)
		must(t, b.uploader.WaitHanging(limit(t), 1))
		first.LoseLease()
		time.Sleep(time.Minute)
		again := b.source.Add(job.Spec{ID: "same", LeaseTTL: 30 * time.Second, Attempt: 5})[0]
		must(t, b.uploader.WaitHanging(limit(t), 2))
		release()
		time.Sleep(time.Minute)
		if a, b := verbs(first.Calls()), verbs(again.Calls()); a != "extend" || strings.TrimSpace(strings.ReplaceAll(b, "extend", "")) != "ack" {
			t.Errorf("verbs %q and %q", a, b)
		}
	})
}

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

func TestReportWithoutJSONFormEndsInOnFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{}
		e := newEnds(&cfg)
		up := &answers{}
		p := start(t, cfg, up)
		r := testReport("bad", 3)
		r.Findings[1].Properties = report.Properties{"x": math.NaN()}
		if _, err := p.Submit(r); err != nil {
			t.Fatal(err)
		}
		mustSubmit(t, p, "good")
		flush(t, p)
		if err := e.errs["bad"]; err == nil || !strings.Contains(err.Error(), "NaN") || e.completed["good"] != 1 {
			t.Fatalf("failed %v, completed %v; want bad failed because of NaN, good completed", e.errs, e.completed)
		}
		if got := up.ids(); len(got) != 1 {
			t.Errorf("uploads %v", got)
		}
		e.once(t)
		stop(t, p)
	})
}

// A report that cannot be encoded is no answer of the receiver: it does not end a pause.
func TestReportWithoutJSONFormDoesNotEndAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &testkit.Recorder{}
		p := start(t, PipelineConfig{Workers: 1, RetryDelay: time.Minute, Sink: rec}, &answers{script: func(*part.Part) error {
			return &statusErr{unauthorized: true}
		}})
		mustSubmit(t, p, "r")
		time.Sleep(30 * time.Second)
		bad := testReport("bad", 1)
		bad.Properties = report.Properties{"x": math.Inf(1)}
		if _, err := p.Submit(bad, WithPriority(9)); err != nil { // the first one to be tried after the pause
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if s := p.GetStats(); s.Failed != 1 || s.Retries != 2 {
			t.Fatalf("%+v", s)
		}
		if n := len(rec.Events(event.AuthFailed)); n != 1 {
			t.Errorf("%d auth_failed events, want 1: the pause must not end", n)
		}
		stopUnsent(t, p, "r") // its last attempt is refused
	})
}

func TestCallbackThatPanicsIsIsolated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &testkit.Recorder{}
		cfg := PipelineConfig{
			Sink: rec, OnSubmitted: func(*QueueItem) { panic("in submitted") }, OnCompleted: func(*QueueItem, *Result) { panic("in completed") },
			OnFailed: func(*QueueItem, error) { panic("in failed") },
		}
		p := start(t, cfg, &answers{script: func(p *part.Part) error {
			if p.ReportID == "bad" {
				return &statusErr{permanent: true}
			}
			return nil
		}})
		mustSubmit(t, p, "bad", "good", "good2")
		flush(t, p)
		stop(t, p)
		if s := p.GetStats(); s.Completed != 2 || s.Failed != 1 {
			t.Errorf("%+v", s)
		}
		var said []string
		for _, e := range rec.Events(event.AgentError) {
			said = append(said, strings.SplitN(e.Error, "\n", 2)[0])
		}
		if got := strings.Join(said, ","); strings.Count(got, "in submitted") != 3 || strings.Count(got, "in completed") != 2 || strings.Count(got, "in failed") != 1 {
			t.Errorf("%s", got)
		}
	})
}

func TestCallbacksDescribeTheReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var item QueueItem
		var result Result
		cfg := PipelineConfig{
			Split:       part.SplitConfig{MinFindings: 2, MaxFindings: 2},
			OnCompleted: func(i *QueueItem, r *Result) { item, result = *i, *r },
		}
		p := start(t, cfg, UploaderFunc(func(_ context.Context, p *part.Part) (*Result, error) {
			time.Sleep(time.Second)
			return &Result{ID: fmt.Sprint("scan", p.Index), FindingsCreated: p.Findings, AssetsUpdated: 1, BytesSent: 10}, nil
		}))
		if _, err := p.Submit(testReport("r", 6), WithJobID("job"), WithTenantID("acme"), WithPriority(4)); err != nil {
			t.Fatal(err)
		}
		flush(t, p)
		if item.ID != "r" || item.JobID != "job" || item.TenantID != "acme" || item.Priority != 4 || item.ToolName != "test" ||
			!item.SubmittedAt.Equal(epoch) || item.Attempts != 1 || item.Report == nil || len(item.Report.Findings) != 6 {
			t.Errorf("%+v", item)
		}
		if result.FindingsCreated != 6 || result.AssetsUpdated != 3 || result.BytesSent != 30 || result.ReportID != "r" || result.Status != "completed" ||
			result.DurationMs != 1000 || result.CompletedAt.Sub(result.SubmittedAt) != time.Second {
			t.Errorf("%+v", result)
		}
		if s := p.GetStats(); s.BytesSent != 30 || s.PartsUploaded != 3 || s.BytesData == 0 || s.BytesRaw == 0 {
			t.Errorf("%+v", s)
		}
		stop(t, p)
	})
}

func TestEventsOfUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &testkit.Recorder{}
		p := start(t, PipelineConfig{Workers: 1, Sink: rec}, &answers{script: func(p *part.Part) error {
			switch {
			case p.ReportID == "odd" && p.Attempt == 1:
				return errors.New("odd answer")
			case p.ReportID == "bad":
				return &statusErr{permanent: true}
			case p.ReportID == "limited" && p.Attempt == 1:
				return &statusErr{after: 3 * time.Second}
			case p.ReportID == "refused" && time.Since(epoch) < 10*time.Minute:
				return &statusErr{unauthorized: true}
			}
			return nil
		}})
		for _, id := range []string{"odd", "bad", "limited", "refused"} {
			if _, err := p.Submit(testReport(id, 1), WithTenantID("acme"), WithJobID("job")); err != nil {
				t.Fatal(err)
			}
			flush(t, p) // one after the other, because an answer for one ends the pause of another
		}
		stop(t, p)
		for kind, want := range map[event.Type]struct {
			n        int
			severity event.Severity
		}{
			event.UploadStarted: {4, event.Debug}, event.UploadCompleted: {3, ""}, event.UploadFailed: {1, event.Error},
			event.RateLimited: {1, event.Warn}, event.AuthFailed: {1, event.Critical},
		} {
			got := rec.Events(kind)
			ids := map[string]bool{}
			for _, e := range got {
				if e.TenantID != "acme" || e.JobID != "job" || e.ReportID == "" || e.Message == "" || e.Severity != want.severity {
					t.Errorf("%s: %+v", kind, e)
				}
				ids[e.ReportID] = true
			}
			if kind == event.UploadStarted && len(ids) == 4 { // "refused" may start several times: its attempts do not count
				continue
			}
			if len(got) != want.n {
				t.Errorf("%s: %d events, want %d", kind, len(got), want.n)
			}
		}
		if retries := rec.Events(event.UploadRetry); len(retries) < 3 || retries[0].ReportID != "odd" || retries[0].Error != "odd answer" || retries[0].Details["next_try"] == nil {
			t.Errorf("%+v", retries)
		}
	})
}

func TestStreamedReport(t *testing.T) {
	for _, name := range []string{"memory", "durable"} {
		t.Run(name, func(t *testing.T) {
			cfg := PipelineConfig{Split: part.SplitConfig{MinFindings: 2, MaxFindings: 2}}
			if name == "durable" {
				cfg.Spool = store(t, chunk.Config{})
			}
			e := newEnds(&cfg)
			accepted := 0
			cfg.OnSubmitted = func(i *QueueItem) { accepted++ }
			up := &answers{}
			p := start(t, cfg, up)
			write := func(id string) part.Writer {
				w, err := p.NewWriter(t.Context(), testReport(id, 5), WithJobID("job")) // the lists in the head are ignored
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range testReport(id, 7).Findings {
					if err := w.AddFinding(f); err != nil {
						t.Fatal(err)
					}
				}
				return w
			}
			w, gone := write("r"), write("gone")
			if len(up.ids()) != 0 || p.GetStats().Submitted != 0 {
				t.Fatal("a report is uploaded or counted before Close")
			}
			if sum, err := w.Close(); err != nil || sum.Findings != 7 || sum.Parts != 4 {
				t.Fatal(sum, err)
			}
			if _, err := w.Close(); err == nil {
				t.Error("second Close = nil, want an error")
			}
			if err := gone.Abort(); err != nil {
				t.Error(err)
			}
			flush(t, p)
			e.once(t)
			if len(e.completed) != 1 || e.results["r"].FindingsCreated != 7 || len(up.ids()) != 4 || accepted != 1 {
				t.Errorf("completed %v with %+v in %d parts, %d accepted", e.completed, e.results["r"], len(up.ids()), accepted)
			}

			late := write("late")
			stop(t, p)
			if _, err := late.Close(); !errors.Is(err, ErrStopped) {
				t.Errorf("Close after Stop = %v, want ErrStopped", err)
			}
			if _, err := p.NewWriter(t.Context(), testReport("later", 0)); !errors.Is(err, ErrStopped) {
				t.Errorf("NewWriter after Stop = %v, want ErrStopped", err)
			}
			if s := p.GetStats(); s.Submitted != 1 || s.QueueLength != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestStreamIsBoundedInBytes(t *testing.T) {
	p := NewPipeline(&PipelineConfig{MaxQueueBytes: 2000, Split: part.SplitConfig{MinFindings: 2, MaxFindings: 2}}, &answers{})
	w, err := p.NewWriter(t.Context(), testReport("r", 0))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 1000 && err == nil; i++ {
		f := *testReport("r", 1).Findings[0]
		f.Title = fmt.Sprint("title ", i)
		err = w.AddFinding(&f)
	}
	var full *QueueFullError
	if !errors.As(err, &full) || full.Field != "MaxQueueBytes" || full.Bound != 2000 {
		t.Errorf("%v", err)
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/part"
)

func TestReportsAreUploadedAndCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{}
		e := newEnds(&cfg)
		up := &answers{}
		p := NewPipeline(&cfg, up)
		if err := p.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			if id, err := p.Submit(testReport(fmt.Sprintf("r%d", i), 3), WithJobID("j")); err != nil || id != fmt.Sprintf("r%d", i) {
				t.Fatal(id, err)
			}
			checkSum(t, p.GetStats())
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := p.GetStats()
		checkSum(t, s)
		if s.Completed != 50 || len(e.completed) != 50 || len(e.failed) != 0 || s.TotalBytes != 0 || s.QueueParts != 0 {
			t.Fatalf("GetStats() = %+v, %d completed, %d failed; want all completed", s, len(e.completed), len(e.failed))
		}
		for id, n := range e.completed {
			if n != 1 || e.results[id].FindingsCreated != 3 {
				t.Fatalf("report %s: %d calls of OnCompleted with %+v, want one", id, n, e.results[id])
			}
		}
	})
}

func TestRetryWaitsLongerEachTimeAndFreesTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{Workers: 1, RetryDelay: 10 * time.Second}
		e := newEnds(&cfg)
		up := &answers{script: func(p *part.Part) error {
			if p.ReportID == "bad" {
				return errors.New("broken pipe in the middle")
			}
			return nil
		}}
		p := NewPipeline(&cfg, up)
		mustSubmit(t, p, "bad", "good1", "good2")
		if err := p.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		var at []time.Duration
		for _, c := range up.calls {
			if c.id == "bad" {
				at = append(at, c.at)
				if c.attempt != len(at) {
					t.Errorf("attempt %d has Attempt %d", len(at), c.attempt)
				}
			}
		}
		if len(at) != 4 {
			t.Fatalf("%d attempts, want 1 + RetryAttempts 3", len(at))
		}
		for i, want := range []time.Duration{10, 20, 40} {
			if gap := at[i+1] - at[i]; gap < want*time.Second/2 || gap > want*time.Second*3/2 {
				t.Errorf("retry %d after %v, want %vs ± 50 %%", i+1, gap, int(want))
			}
		}
		if got := up.ids()[:3]; !slices.Equal(got, []string{"bad", "good1", "good2"}) {
			t.Errorf("first uploads %v, want the failing report not to delay the others", got)
		}
		if e.failed["bad"] != 1 || e.completed["bad"] != 0 || e.completed["good1"] != 1 || !strings.Contains(e.errs["bad"].Error(), "broken pipe") {
			t.Errorf("failed %v, completed %v, errors %v; want bad failed with its last error, the others completed", e.failed, e.completed, e.errs)
		}
		stop(t, p)
	})
}

func TestPermanentErrorIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{}
		e := newEnds(&cfg)
		up := &answers{script: func(*part.Part) error { return fmt.Errorf("wrapped: %w", &statusErr{permanent: true}) }}
		p := NewPipeline(&cfg, up)
		mustSubmit(t, p, "r")
		_ = p.Start(context.Background())
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(up.calls) != 1 || e.failed["r"] != 1 {
			t.Fatalf("%d uploads, failed %v; want one upload, one failure", len(up.calls), e.failed)
		}
		stop(t, p)
	})
}

func TestRetryAfterIsAFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		up := &answers{script: func(*part.Part) error {
			if tries.Add(1) == 1 {
				return &statusErr{after: 7 * time.Minute}
			}
			return nil
		}}
		p := NewPipeline(nil, up)
		mustSubmit(t, p, "r")
		_ = p.Start(context.Background())
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if gap := up.calls[1].at - up.calls[0].at; gap < 7*time.Minute {
			t.Fatalf("second attempt after %v, want no earlier than Retry-After", gap)
		}
		stop(t, p)
	})
}

func TestWrongCredentialsPauseEverythingAndLoseNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var good atomic.Bool
		cfg := PipelineConfig{Workers: 3}
		e := newEnds(&cfg)
		up := &answers{script: func(*part.Part) error {
			if !good.Load() {
				return &statusErr{unauthorized: true}
			}
			return nil
		}}
		p := NewPipeline(&cfg, up)
		for i := range 20 {
			mustSubmit(t, p, fmt.Sprint("r", i))
		}
		_ = p.Start(context.Background())
		time.Sleep(time.Hour)
		if s := p.GetStats(); s.PausedUntil == nil || !strings.Contains(s.PauseReason, "credentials") || s.Failed != 0 || s.QueueLength != 20 {
			t.Fatalf("%+v", s)
		}
		if n := len(up.calls); n > 40 {
			t.Errorf("%d attempts in an hour of refused credentials, want a few", n)
		}
		good.Store(true)
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(e.completed) != 20 || len(e.failed) != 0 {
			t.Fatalf("%d completed, %d failed", len(e.completed), len(e.failed))
		}
		stop(t, p)
	})
}

func TestHigherPriorityFirstThenOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &answers{}
		p := NewPipeline(&PipelineConfig{Workers: 1}, up)
		for i, prio := range []int{0, 1, 5, 10, 1, 10} {
			if _, err := p.Submit(testReport(fmt.Sprint("r", i), 1), WithPriority(prio)); err != nil {
				t.Fatal(err)
			}
		}
		_ = p.Start(context.Background())
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := up.ids(); !slices.Equal(got, []string{"r3", "r5", "r2", "r1", "r4", "r0"}) {
			t.Fatalf("uploaded in the order %v", got)
		}
		stop(t, p)
	})
}

func TestLowPriorityIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *Pipeline
		var n atomic.Int32
		up := &answers{script: func(pt *part.Part) error {
			if pt.ReportID != "low" && n.Add(1) < 100 {
				_, err := p.Submit(testReport(fmt.Sprint("high", n.Load()), 1), WithPriority(9))
				return err
			}
			return nil
		}}
		p = NewPipeline(&PipelineConfig{Workers: 1}, up)
		mustSubmit(t, p, "low")
		if _, err := p.Submit(testReport("high0", 1), WithPriority(9)); err != nil {
			t.Fatal(err)
		}
		_ = p.Start(context.Background())
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if at := slices.Index(up.ids(), "low"); at > fairEvery {
			t.Fatalf("the report of low priority was upload %d of %d, want one of the first", at, len(up.ids()))
		}
		stop(t, p)
	})
}

func TestPanickingUploaderIsAFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{}
		e := newEnds(&cfg)
		up := &answers{script: func(p *part.Part) error {
			if p.Attempt < 3 {
				panic("boom")
			}
			return nil
		}}
		p := NewPipeline(&cfg, up)
		mustSubmit(t, p, "r")
		_ = p.Start(context.Background())
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e.completed["r"] != 1 || len(up.calls) != 3 {
			t.Fatalf("completed %v after %d uploads, want one completed after two", e.completed, len(up.calls))
		}
		if s := p.GetStats(); !strings.Contains(s.LastError, "boom") {
			t.Errorf("LastError = %q, want the panic in it", s.LastError)
		}
		stop(t, p)
	})
}

func TestHungUploadEndsAtItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{RetryAttempts: -1, UploadTimeout: time.Minute}
		e := newEnds(&cfg)
		p := NewPipeline(&cfg, UploaderFunc(func(ctx context.Context, _ *part.Part) (*Result, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}))
		mustSubmit(t, p, "r")
		_ = p.Start(context.Background())
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(e.errs["r"], context.DeadlineExceeded) || time.Since(epoch) != time.Minute {
			t.Fatalf("report ended with %v after %v, want a deadline error after UploadTimeout", e.errs["r"], time.Since(epoch))
		}
		stop(t, p)
	})
}

func TestCallerMayReuseItsSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &answers{}
		p := NewPipeline(nil, up)
		r := testReport("r", 50)
		if _, err := p.Submit(r); err != nil {
			t.Fatal(err)
		}
		clear(r.Findings)
		r.Findings = r.Findings[:0]
		_ = p.Start(context.Background())
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if up.calls[0].finding != 50 {
			t.Fatalf("%d findings uploaded, want 50", up.calls[0].finding)
		}
		stop(t, p)
	})
}

func TestQueueIsBoundedInReportsAndBytes(t *testing.T) {
	p := NewPipeline(&PipelineConfig{QueueSize: 2}, &answers{})
	mustSubmit(t, p, "a", "b")
	var full *QueueFullError
	if _, err := p.Submit(testReport("c", 1)); !errors.Is(err, ErrQueueFull) || !errors.As(err, &full) || full.Bound != 2 {
		t.Fatalf("Submit of a third report with QueueSize 2 = %v, want a QueueFullError", err)
	}
	if err := p.Stop(t.Context()); err == nil {
		t.Fatal("Stop before Start = nil, want an UnsentError of two reports")
	}

	p = NewPipeline(&PipelineConfig{MaxQueueBytes: 10_000}, &answers{})
	if _, err := p.Submit(testReport("big", 1000)); !errors.As(err, &full) || full.Field != "MaxQueueBytes" {
		t.Fatalf("Submit of 1000 findings with 10 kB = %v, want a QueueFullError", err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestInvalidConfigIsNamed(t *testing.T) {
	p := NewPipeline(&PipelineConfig{Workers: -2, QueueSize: -7}, &answers{})
	err := p.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "pipeline.workers: -2") || !strings.Contains(err.Error(), "pipeline.queue_size: -7") {
		t.Fatalf("Start = %v, want both fields and values in it", err)
	}
}

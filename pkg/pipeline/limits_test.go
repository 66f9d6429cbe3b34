package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/part"
)

// Retries are set in one place: the pipeline's setting rules, and the store's setting is used where the pipeline has its
// default.
func TestRetriesComeFromOnePlace(t *testing.T) {
	for _, c := range []struct {
		pipeline, store, attempts int
	}{{0, 0, 4}, {1, 0, 2}, {-1, 0, 1}, {0, 2, 3}, {0, -1, 1}, {3, 2, 3}, {2, 2, 3}, {2, chunk.DefaultMaxRetries, 3}} {
		synctest.Test(t, func(t *testing.T) {
			m := store(t, chunk.Config{MaxRetries: c.store})
			cfg := PipelineConfig{Spool: m, RetryAttempts: c.pipeline}
			e := newEnds(&cfg)
			up := &answers{script: func(*part.Part) error { return errors.New("odd answer") }}
			p := start(t, cfg, up)
			mustSubmit(t, p, "r")
			flush(t, p)
			if len(up.calls) != c.attempts || e.failed["r"] != 1 {
				t.Errorf("RetryAttempts %d, MaxRetries %d: %d attempts, failed %v; want %d attempts, one failure", c.pipeline, c.store, len(up.calls), e.failed, c.attempts)
			}
			if r, err := m.Storage().Reports(t.Context(), 0, chunk.StateFailed); len(r) != 1 || err != nil || r[0].LastError != "odd answer" {
				t.Errorf("Reports = %+v, %v; want one dead letter with the error", r, err)
			}
			stop(t, p)
		})
	}
}

func TestContradictingSettingsAreAnErrorThatNamesBoth(t *testing.T) {
	cfg := PipelineConfig{Workers: 8, RetryAttempts: 9, UploadDelay: time.Second,
		Spool: store(t, chunk.Config{MaxConcurrentUploads: 5, MaxRetries: -1, UploadDelayMs: 250})}
	p := NewPipeline(&cfg, &answers{})
	_, submitErr := p.Submit(testReport("r", 1))
	for call, err := range map[string]error{"Start": p.Start(t.Context()), "Submit": submitErr, "Validate": cfg.Validate()} {
		for _, want := range []string{
			"pipeline.workers: 8 contradicts chunk.max_concurrent_uploads: 5",
			"pipeline.retry_attempts: 9 contradicts chunk.max_retries: -1",
			"pipeline.upload_delay: 1s contradicts chunk.upload_delay_ms: 250ms",
		} {
			if !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("%s = %v, want %q in it", call, err, want)
			}
		}
	}
}

// Another pipeline on the same store is not bound by what the first one has set.
func TestASecondPipelineMayHaveOtherWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := store(t, chunk.Config{})
		for _, workers := range []int{8, 5} {
			h := &hanging{until: time.Since(epoch) + 30*time.Second}
			p := start(t, PipelineConfig{Workers: workers, UploadTimeout: time.Minute, Spool: m}, h)
			for i := range 10 {
				mustSubmit(t, p, fmt.Sprint("r", workers, "-", i))
			}
			synctest.Wait()
			if got := h.most.Load(); got != int64(workers) {
				t.Errorf("%d uploads at a time, want %d", got, workers)
			}
			flush(t, p)
			stop(t, p)
		}
	})
}

func TestUploadDelayPausesAfterAPartOfSeveral(t *testing.T) {
	for _, durable := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			cfg := PipelineConfig{UploadDelay: 2 * time.Second, Split: part.SplitConfig{MinFindings: 2, MaxFindings: 2}}
			if durable {
				cfg.Spool = store(t, chunk.Config{UploadDelayMs: chunk.DefaultUploadDelayMs})
			}
			begun := time.Now()
			p := start(t, cfg, &answers{})
			if _, err := p.Submit(testReport("r", 8)); err != nil { // four parts
				t.Fatal(err)
			}
			flush(t, p)
			if took := time.Since(begun); took != 6*time.Second {
				t.Errorf("durable %v: four parts took %v, want three pauses of 2s", durable, took)
			}
			stop(t, p)
		})
	}
}

func TestHelpersMakeErrorsThatSteer(t *testing.T) {
	cause := errors.New("cause")
	for name, c := range map[string]struct {
		err  error
		want failure
	}{
		"Permanent":    {Permanent(cause), failure{permanent: true}},
		"Unavailable":  {Unavailable(cause), failure{unavailable: true}},
		"RetryAfter":   {RetryAfter(cause, time.Minute), failure{unavailable: true, retryAfter: time.Minute}},
		"Unauthorized": {fmt.Errorf("upload: %w", Unauthorized(cause)), failure{unauthorized: true}},
	} {
		if got := classify(c.err); got != c.want || !errors.Is(c.err, cause) || !strings.HasSuffix(c.err.Error(), "cause") {
			t.Errorf("classify(%s(%v)) = %+v, want %+v and the cause wrapped", name, cause, got, c.want)
		}
	}
	if Permanent(nil) != nil || RetryAfter(nil, time.Second) != nil {
		t.Error("helper of a nil error is not nil")
	}
}

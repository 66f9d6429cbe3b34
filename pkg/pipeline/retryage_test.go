package pipeline

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/part"
)

// hanging is an Uploader that hangs until a time after epoch.
type hanging struct {
	until             time.Duration
	calls, busy, most atomic.Int64
}

func (h *hanging) Upload(ctx context.Context, _ *part.Part) (*Result, error) {
	h.calls.Add(1)
	h.most.Store(max(h.most.Load(), h.busy.Add(1)))
	defer h.busy.Add(-1)
	if time.Since(epoch) < h.until {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return nil, nil
}

func TestMaxRetryAgeKeepsADeadLetter(t *testing.T) {
	for _, kind := range []*statusErr{{unavailable: true}, {unauthorized: true}, {after: time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			m := store(t, chunk.Config{MaxRetries: 1_000_000})
			cfg := PipelineConfig{Spool: m, MaxRetryAge: 24 * time.Hour}
			e := newEnds(&cfg)
			p := start(t, cfg, &answers{script: func(*part.Part) error { return kind }})
			mustSubmit(t, p, "r")
			time.Sleep(24*time.Hour - time.Minute)
			if _, failed := e.counts(); failed != 0 {
				t.Fatal("report failed before MaxRetryAge")
			}
			flush(t, p)
			var old *RetryAgeError
			if err := e.errs["r"]; !errors.As(err, &old) || !errors.Is(err, error(kind)) || old.Age < 24*time.Hour || old.Age > 25*time.Hour {
				t.Errorf("%v", err)
			}
			if r, err := m.Storage().Reports(t.Context(), 0, chunk.StateFailed); len(r) != 1 || err != nil || r[0].LastError == "" {
				t.Errorf("dead letters %+v, %v", r, err)
			}
			stop(t, p)
		})
	}
}

// Attempts, due time and last error survive a restart: neither the number of retries nor the backoff starts over.
func TestAttemptsSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "chunks.db")
		up := &answers{script: func(*part.Part) error { return errors.New("odd answer") }}
		var ended error
		for life := range 2 {
			m := store(t, chunk.Config{DatabasePath: path, MaxRetries: 3})
			cfg := PipelineConfig{Spool: m, RetryDelay: time.Hour, MaxRetryDelay: 24 * time.Hour, OnFailed: func(_ *QueueItem, err error) { ended = err }}
			p := start(t, cfg, up)
			if life == 0 {
				mustSubmit(t, p, "r")
			}
			time.Sleep(time.Minute)
			if n := len(up.ids()); n != 1 {
				t.Fatalf("%d attempts in the first minute of run %d, want none before the due time", n, life)
			}
			if r, err := m.Storage().Parts(t.Context(), "r"); err != nil || len(r) != 1 || r[0].Attempts != 1 {
				t.Errorf("run %d: Reports = %+v, %v", life, r, err)
			}
			if life == 1 {
				flush(t, p)
			}
			stop(t, p)
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(up.ids()); n != 4 || ended == nil || ended.Error() != "odd answer" {
			t.Errorf("%d attempts in both runs, want 1 + MaxRetries 3; ended with %v", n, ended)
		}
		if took := time.Since(epoch); took < 3*time.Hour+30*time.Minute {
			t.Errorf("retries took %v, want 1, 2 and 4 hours ± 50 %%", took)
		}
	})
}

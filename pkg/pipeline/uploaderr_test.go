package pipeline

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/part"
)

// A typed nil is an error that is not nil and whose methods panic.
func TestErrorWhoseMethodsPanicIsAFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{RetryAttempts: -1}
		e := newEnds(&cfg)
		p := NewPipeline(&cfg, UploaderFunc(func(context.Context, *part.Part) (*Result, error) {
			var none *statusErr
			return nil, none
		}))
		mustSubmit(t, p, "r")
		if err := p.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e.failed["r"] != 1 {
			t.Errorf("failed %v, completed %v", e.failed, e.completed)
		}
		stop(t, p)
	})
}

// A callback can tell a report that had no time to be retried from one that was refused.
func TestReportEndedByTheDrainFailsWithErrStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{RetryDelay: time.Hour, MaxRetryDelay: time.Hour}
		e := newEnds(&cfg)
		down, refused := errors.New("connection refused"), &statusErr{permanent: true}
		p := NewPipeline(&cfg, &answers{script: func(p *part.Part) error {
			if p.ReportID == "bad" {
				return refused
			}
			return down
		}})
		mustSubmit(t, p, "r", "bad")
		if err := p.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		stopUnsent(t, p, "r") // but not bad, which the stop did not end
		if err := e.errs["r"]; !errors.Is(err, ErrStopped) || !errors.Is(err, down) {
			t.Errorf("r failed with %v, want ErrStopped", err)
		}
		if err := e.errs["bad"]; errors.Is(err, ErrStopped) {
			t.Errorf("bad failed with %v, want the refusal alone", err)
		}
	})
}

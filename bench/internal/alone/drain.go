package alone

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rediverio/sdk/bench/internal/meter"
	"github.com/rediverio/sdk/bench/internal/sample"
	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
)

// drain uploads a stored report of 200 chunks, 100 findings each, to an uploader that does nothing.
func drain(workers int) func(context.Context, Options) ([]value, error) {
	return func(ctx context.Context, o Options) ([]value, error) {
		t, err := DrainChunks(ctx, o.Dir, sample.Report("r", 20_000), workers)
		return []value{
			{"ms", t.millis(), "ms", "from Start to OnCompleted; goal: under 50"},
			{"cpu_ms", t.cpu.Seconds() * 1e3, "ms", "of all cores"},
		}, err
	}
}

// DrainChunks stores a report in chunks of 100 findings and returns how long an uploader that does nothing takes to drain it.
func DrainChunks(ctx context.Context, parent string, r *report.Report, workers int) (Timing, error) {
	s, err := openStore(parent, func(c *chunk.Config) { c.MaxFindingsPerChunk, c.MaxConcurrentUploads = 100, workers })
	if err != nil {
		return Timing{}, err
	}
	defer s.shut()
	if _, err := s.SubmitReport(ctx, r); err != nil {
		return Timing{}, err
	}
	meter.Settle()
	return upload(ctx, s.Manager, workers, 1)
}

// upload drains the given number of stored reports to an uploader that does nothing and returns how long it takes.
func upload(ctx context.Context, m *chunk.Manager, workers, reports int) (t Timing, err error) {
	done := make(chan error, reports)
	p := pipeline.NewPipeline(&pipeline.PipelineConfig{
		Workers: workers, Spool: m,
		OnCompleted: func(*pipeline.QueueItem, *pipeline.Result) { done <- nil },
		OnFailed:    func(item *pipeline.QueueItem, err error) { done <- fmt.Errorf("report %s: %w", item.ID, err) },
	}, pipeline.UploaderFunc(func(context.Context, *part.Part) (*pipeline.Result, error) { return nil, nil }))
	before, begun := meter.Now(), time.Now()
	if err := p.Start(ctx); err != nil {
		return t, err
	}
	for range reports {
		select {
		case err := <-done:
			if err != nil {
				return t, errors.Join(err, p.Stop(ctx))
			}
		case <-ctx.Done():
			return t, errors.Join(ctx.Err(), p.Stop(ctx))
		}
	}
	t = Timing{Wall: time.Since(begun), cpu: meter.Since(before).CPU, runs: 1}
	return t, p.Stop(ctx)
}

package agent

import (
	"context"
	"time"

	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/limits"
)

// signalsTimeout bounds one call of Config.Signals.
const signalsTimeout = 2 * time.Second

// degrader keeps the agent at the degradation level that its host requires. Its fields are owned by the goroutine that
// calls sample.
type degrader struct {
	a     *Agent
	level *limits.Degradation // nil: always full
	slots int                 // number of slots when the level was full last
}

// gated returns a gate of the controller that asks the level, and then gate if that is not nil.
func (d *degrader) gated(gate func() error) func() error {
	if d.level == nil {
		return gate
	}
	return func() error {
		if err := d.level.Gate(); err != nil || gate == nil {
			return err
		}
		return gate()
	}
}

// followSamples updates the degradation level and the guarantees after each sample of the controller, until ctx ends.
func (a *Agent) followSamples(ctx context.Context) {
	sampled, cancel := a.controller.Subscribe()
	defer cancel()
	for {
		select {
		case <-sampled:
			a.degrader.sample(ctx)
			a.rebalancer.Observe(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// sample measures the agent and its host, and applies the level that follows.
func (d *degrader) sample(ctx context.Context) {
	if d.level == nil {
		return
	}
	v := limits.Signals{}
	v.AddHost(d.a.controller.GetMetrics())
	p := d.a.pipeline.GetStats()
	v[limits.MetricQueue] = float64(p.QueueLength + p.InProgress)
	if d.a.cfg.Signals != nil {
		d.a.protect(job.Spec{}, "Signals", func() {
			ctx, cancel := context.WithTimeout(ctx, signalsTimeout)
			defer cancel()
			d.a.cfg.Signals(ctx, v)
		})
	}
	if ctx.Err() != nil {
		return // the measurements are incomplete
	}
	if change, changed := d.level.Observe(time.Now(), v); changed {
		d.apply(change)
		d.a.record(job.Spec{}, change.Event())
	}
}

// apply sets the number of slots that the level permits.
func (d *degrader) apply(c limits.Change) {
	if c.From == limits.LevelFull {
		d.slots = d.a.controller.GetStatus().MaxJobs
	}
	ceiling := 0 // none
	if c.To != limits.LevelFull {
		ceiling = c.To.Jobs(d.slots)
	}
	d.a.controller.SetCeiling(ceiling)
}

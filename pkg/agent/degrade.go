package agent

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/resource"
)

// maxVitalsTime bounds what Config.Vitals may take.
const maxVitalsTime = 2 * time.Second

// degrade finds the agent's level and holds it to that. One goroutine calls its judge.
type degrade struct {
	a     *Agent
	level *limits.Degradation // nil: always full
	slots int                 // of the controller when the level was full last
}

// gated returns the gate of the controller, that of the config behind that of the level.
func (d *degrade) gated(gate func() error) func() error {
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

// run judges now, so that an agent in trouble takes not even one job, and then with each sample until ctx is done. What
// it returns waits for that.
func (d *degrade) run(ctx context.Context) (wait func()) {
	if d.level == nil {
		return func() {}
	}
	d.judge(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(cmp.Or(d.a.cfg.Resource.SampleInterval, resource.DefaultSampleInterval))
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				d.judge(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { <-done }
}

func (d *degrade) judge(ctx context.Context) {
	v := limits.Vitals{}
	v.Host(d.a.controller.GetMetrics())
	p := d.a.pipeline.GetStats()
	v[limits.MetricQueue] = float64(p.QueueLength + p.InProgress)
	d.askVitals(ctx, v)
	if ctx.Err() != nil {
		return // what could not be asked any more is no reason for anything
	}
	if change, changed := d.level.Observe(time.Now(), v); changed {
		d.obey(change)
		d.a.record(job.Spec{}, change.Event())
	}
}

// obey gives the controller the slots of the level.
func (d *degrade) obey(c limits.Change) {
	if c.From == limits.LevelFull {
		d.slots = d.a.controller.GetStatus().MaxJobs
	}
	if c.To == limits.LevelFull {
		d.a.controller.SetCeiling(0)
		return
	}
	d.a.controller.SetCeiling(c.To.Jobs(d.slots))
}

// askVitals calls user code, whose panic must not end the process.
func (d *degrade) askVitals(ctx context.Context, v limits.Vitals) {
	if d.a.cfg.Vitals == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			d.a.problem(job.Spec{}, "Vitals panicked", fmt.Errorf("%v", p))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, maxVitalsTime)
	defer cancel()
	d.a.cfg.Vitals(ctx, v)
}

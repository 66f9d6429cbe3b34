package agent

import (
	"context"
	"time"

	"github.com/rediverio/sdk/pkg/job"
)

// HeartbeatTimeout is the maximum duration of one call of Config.Heartbeat.
const HeartbeatTimeout = 10 * time.Second

// heartbeats calls Config.Heartbeat at once, in intervals, and when ctx has ended.
func (a *Agent) heartbeats(ctx context.Context) {
	if a.cfg.Heartbeat == nil {
		return
	}
	tick := time.NewTicker(a.cfg.HeartbeatInterval)
	defer tick.Stop()
	failing := false
	for ended := false; ; {
		failing = a.heartbeat(ctx, failing)
		if ended {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ended = true
		}
	}
}

func (a *Agent) heartbeat(ctx context.Context, failing bool) (fails bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), HeartbeatTimeout)
	defer cancel()
	a.protect(job.Spec{}, "Heartbeat", func() {
		err := a.cfg.Heartbeat(ctx, a.Status())
		if fails = err != nil; fails && !failing {
			a.problem(job.Spec{}, "heartbeat failed", err)
		}
	})
	return fails
}

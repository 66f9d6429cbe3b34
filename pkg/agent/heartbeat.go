package agent

import (
	"context"
	"time"

	"github.com/rediverio/sdk/pkg/job"
)

// HeartbeatTimeout is the maximum duration of one call of Config.Heartbeat. The last call, which delays the end of the
// agent, may take lastHeartbeat.
const (
	HeartbeatTimeout = 10 * time.Second
	lastHeartbeat    = 3 * time.Second
)

// heartbeats calls Config.Heartbeat at once, in intervals, and when ctx has ended.
func (a *Agent) heartbeats(ctx context.Context) {
	if a.cfg.Heartbeat == nil {
		return
	}
	tick := time.NewTicker(a.cfg.HeartbeatInterval)
	defer tick.Stop()
	for failing := false; ; {
		failing = a.heartbeat(HeartbeatTimeout, failing)
		select {
		case <-tick.C:
		case <-ctx.Done():
			if a.scanCtx.Err() == nil { // else the agent was aborted, or its drain has timed out
				a.heartbeat(lastHeartbeat, failing)
			}
			return
		}
	}
}

// heartbeat reports the status within the timeout, or until Abort. Only the first of several failures is recorded.
func (a *Agent) heartbeat(timeout time.Duration, failing bool) (fails bool) {
	ctx, cancel := context.WithTimeout(a.scanCtx, timeout)
	defer cancel()
	a.protect(job.Spec{}, "Heartbeat", func() {
		err := a.cfg.Heartbeat(ctx, a.Status())
		if fails = err != nil; fails && !failing {
			a.problem(job.Spec{}, "heartbeat failed", err)
		}
	})
	return fails
}

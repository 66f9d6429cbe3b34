package agentcmd

import (
	"context"
	"os"
	"time"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/ingest"
)

// heartbeat returns the function that reports the status of the agent to the server, or nil if there is none.
func (e *engine) heartbeat(s *scanner) func(context.Context, agent.Status) error {
	if e.cfg.Server.URL == "" || e.cfg.Agent.HeartbeatInterval < 0 {
		return nil
	}
	started := time.Now()
	host, _ := os.Hostname() // left out if it is unknown
	return func(ctx context.Context, st agent.Status) error {
		return e.client.Heartbeat(ctx, ingest.Heartbeat{
			Name: e.cfg.Agent.ID, Status: heartbeatStatus(st), Version: e.a.Version, Hostname: host, Scanners: s.names(),
			UptimeSeconds: int64(time.Since(started).Seconds()), TotalScans: st.JobsCompleted + st.JobsFailed, Errors: st.JobsFailed,
			CPUPercent: st.Resource.Metrics.CPUPercent, MemoryPercent: st.Resource.Metrics.MemoryPercent, ActiveJobs: len(st.Jobs) - st.JobsWaiting, WaitingJobs: st.JobsWaiting,
			PendingReports: st.Pipeline.QueueLength + st.Pipeline.InProgress,
		})
	}
}

// heartbeatStatus returns the word of the protocol for the phase of the agent.
func heartbeatStatus(st agent.Status) string {
	switch {
	case st.Phase == agent.PhaseStopped:
		return "stopped"
	case st.Phase == agent.PhaseDraining:
		return "stopping"
	case len(st.Jobs) == 0:
		return "idle"
	}
	return "running"
}

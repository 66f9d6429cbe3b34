package agentcmd

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/job"
)

func (a *cli) runCommand() *cobra.Command {
	cmd := a.verb("run", "the daemon: take jobs, scan, upload", cobra.NoArgs, func(ctx context.Context, _ []string) error { return a.daemon(ctx) })
	cmd.Long = `The daemon takes jobs from files in the job directory (agent.job_source: dir), or from the server's commands
(agent.job_source: server), scans, and uploads.

A job is a JSON file NAME.json: {"scanner": "gitleaks", "target": "/srv/app"}. Write it under another name and
rename it. It is moved to active/ while it runs, and to failed/ with the reason if it failed.

After the first SIGTERM or SIGINT the daemon takes no more jobs and lets running ones end; after the second it stops
the scanners, returns their jobs, and keeps reports that are not uploaded in the store; after the third it exits at once.`
	cmd.Example = "  {agent} run --config agent.yaml\n  {agent} status"
	return cmd
}

func (a *cli) daemon(ctx context.Context) error {
	e, err := a.newEngine(ctx, func(e *engine, c *agent.Config) error {
		s, err := a.newScanner(e)
		if err != nil {
			return err
		}
		if e.watcher, err = a.newWatcher(e.sink); err != nil {
			return err
		}
		degradation := e.cfg.Limits.DegradationConfig()
		c.Scanner, c.Heartbeat, c.HeartbeatInterval = s, e.heartbeat(s), max(e.cfg.Agent.HeartbeatInterval, 0)
		c.Degradation, c.Signals, c.Rebalance = &degradation, e.signals, e.cfg.Limits.Rebalancing
		c.Source, err = a.jobSource(ctx, e)
		return err
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer a.onSignals(
		step{"taking no more jobs, running ones continue. Again to stop their scanners", cancel},
		step{"stopping scanners; reports that are not uploaded stay in the store. Again to exit at once", func() { cancel(); e.agent.Abort() }},
		step{"exit", func() { os.Exit(ExitRuntime) }},
	)()
	addr, err := e.serveStatus()
	if err != nil {
		return errors.Join(err, e.close())
	}
	a.say("%s %s: jobs from %s, reports to %s, status on %s", a.Name, a.Version, a.jobPlace(), e.where(), addr)
	stopWatching := e.watchHost()
	err = e.agent.Run(ctx)
	stopWatching()
	s := e.agent.Status()
	a.say("stopped: %s completed, %d failed, %s kept for the next start", count(s.JobsCompleted, "job"), s.JobsFailed, count(s.Pipeline.QueueLength+s.Pipeline.InProgress, "report"))
	return errors.Join(err, e.close())
}

// jobSource opens the job source that the configuration names.
func (a *cli) jobSource(ctx context.Context, e *engine) (source job.Source, err error) {
	switch a.cfg.Agent.JobSource {
	case jobSourceApp:
		source, err = a.Source(ctx, a.newEnv(e.sink, e.transport))
	case jobSourceServer:
		if e.client == nil {
			return nil, &ExitError{ExitConfig, errors.New("agent.job_source: server, but there is no server.url")}
		}
		source, err = ingest.NewSource(e.client, ingest.SourceConfig{TenantID: a.cfg.Agent.TenantID})
	default:
		source, err = job.NewDir(a.cfg.Agent.JobDir)
	}
	if c, ok := source.(io.Closer); ok && err == nil {
		e.onClose(c.Close)
	}
	return source, err
}

func (a *cli) jobPlace() string {
	switch a.cfg.Agent.JobSource {
	case jobSourceApp:
		return "the source of " + a.Name
	case jobSourceServer:
		return "the server"
	default:
		return a.cfg.Agent.JobDir
	}
}

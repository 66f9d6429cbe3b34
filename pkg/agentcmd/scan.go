package agentcmd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/report"
)

// oneShot holds the flags of scan and import.
type oneShot struct {
	wait   time.Duration
	failOn string
}

func (o *oneShot) flags(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&o.wait, "wait", defaultWait, "maximum time to wait for uploads; the rest stays in the store")
	cmd.Flags().StringVar(&o.failOn, "fail-on", "", "exit with 1 for findings of this severity or worse: critical, high, medium, low or info")
}

func (a *cli) scanCommand() *cobra.Command {
	var o oneShot
	var scanners []string
	var cmd *cobra.Command
	cmd = a.plainVerb("scan PATH…", "scan, upload, and show what was found", cobra.MinimumNArgs(1), func(ctx context.Context, args []string) error {
		if err := a.loadOneShot(cmd, &o); err != nil {
			return err
		}
		s, err := a.newScanner(nil)
		if err != nil {
			return err
		}
		names, asked, err := a.chooseScanners(ctx, s, scanners)
		if err != nil {
			return err
		}
		var specs []job.Spec
		stamp := time.Now().UTC().Format("20060102T150405.000")
		for _, path := range args {
			abs, err := filepath.Abs(path)
			if err != nil {
				return err
			}
			for _, name := range names {
				if !asked && !s.fits(name, abs) {
					continue // such as gosec, and the target is not a Go module
				}
				id := report.CleanID(fmt.Sprintf("scan-%s-%d-%s", strings.Replace(stamp, ".", "", 1), len(specs)+1, name))
				specs = append(specs, job.Spec{ID: id, Scanner: name, Target: abs})
			}
		}
		if len(specs) == 0 {
			return fmt.Errorf("none of the scanners that are installed fits: %s", strings.Join(names, ", "))
		}
		return a.runOnce(ctx, &o, specs, func(e *engine) (agent.Scanner, error) { return a.newScanner(e) })
	})
	cmd.Flags().StringArrayVar(&scanners, "scanner", nil, "scanner to use; may be given again (default: all that are installed and fit)")
	cmd.Example = "  {agent} scan .\n  {agent} scan --scanner gitleaks --scanner gosec --fail-on high ~/src/app"
	o.flags(cmd)
	return cmd
}

// loadOneShot loads the configuration for a command that runs once. It does not slow uploads down unless the operator
// asked for it.
func (a *cli) loadOneShot(cmd *cobra.Command, o *oneShot) error {
	if o.failOn != "" && report.Severity(o.failOn).Rank() < 0 {
		return Usagef("--fail-on %q: want critical, high, medium, low or info", o.failOn)
	}
	if o.wait < 0 {
		return Usagef("--wait %v is negative", o.wait)
	}
	if err := a.load(); err != nil {
		return err
	}
	c := a.cfg
	if cmd.Flags().Changed("wait") {
		c.Agent.Wait = o.wait
	} else if text := a.getenv("WAIT"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return Usagef("%sWAIT %q: want a duration, for example 30s", a.EnvPrefix, text)
		}
		c.Agent.Wait = d
	}
	if c.Agent.Wait == 0 {
		c.Agent.Wait = -1 // zero would be the default of the agent
	}
	if !a.file.IsSet("pipeline.upload_delay") {
		c.Pipeline.UploadDelay = -1
	}
	if !a.file.IsSet("agent.retry_delay") {
		c.Agent.RetryDelay = 2 * time.Second
	}
	if !a.file.IsSet("pipeline.retry_delay") {
		c.Pipeline.RetryDelay = time.Second
	}
	return nil
}

// runOnce runs an agent over the jobs, shows progress and the summary, and turns the outcome into an exit code.
func (a *cli) runOnce(ctx context.Context, o *oneShot, specs []job.Spec, scanner func(*engine) (agent.Scanner, error)) error {
	sum := newSummary(specs)
	source := job.NewList(specs...)
	e, err := a.newEngine(ctx, func(e *engine, c *agent.Config) (err error) {
		c.Source, c.OnJob = source, sum.add
		c.Pipeline.OnCompleted, c.Pipeline.OnFailed = sum.uploaded, sum.failed
		e.checkDisk = func() error { return e.cfg.Limits.FileSystem.FreeSpace(e.cfg.Agent.StateDir) }
		c.Scanner, err = scanner(e)
		return err
	})
	if err != nil {
		return err
	}
	ctx, stop := a.untilSignal(ctx, "stopping scanners; reports that are complete stay in the store", e.agent.Abort)
	defer stop()
	progress := a.startProgress(e.agent, len(specs))
	err = e.agent.Run(ctx)
	progress.stop()
	sum.finish(e.agent, source)
	if e.local != nil {
		err = errors.Join(err, sum.fetchWorst(context.WithoutCancel(ctx), e.local.store.Tenant(localTenant)))
	}
	err = errors.Join(err, e.close(), a.printSummary(sum, e))
	return sum.exit(err, report.Severity(o.failOn), ctx.Err() != nil)
}

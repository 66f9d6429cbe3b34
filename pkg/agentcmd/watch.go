package agentcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/rediverio/sdk/pkg/audit"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/watch"
)

// newWatcher returns the watcher that the section watch configures.
func (a *cli) newWatcher(sink event.Sink) (*watch.Watcher, error) {
	c := a.cfg.Watch
	c.Sink = sink
	w, err := watch.New(c)
	if err != nil {
		return nil, &ExitError{ExitConfig, fmt.Errorf("watch: %w", err)}
	}
	return w, nil
}

// watchHost watches in the background until the returned function is called, which blocks until the watcher has stopped.
func (e *engine) watchHost() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.watcher.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (a *cli) watchCommand() *cobra.Command {
	var once, dryRun bool
	cmd := a.verb("watch", "check processes and directories against the section watch", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		if a.cfg.Watch.Empty() {
			return &ExitError{ExitConfig, errors.New("nothing to watch: the configuration has no watch.rules, watch.dirs or watch.orphans")}
		}
		if dryRun {
			a.cfg.Watch.Enforce = false
		}
		return a.watch(ctx, once)
	})
	cmd.Long = `Checks the processes and directories that the section watch of the configuration describes, and prints those over a
limit. Only with watch.enforce is a process ended or a file removed. That is recorded in the audit log, so that no daemon
with the same state directory may run at the same time; a daemon watches by itself, and 'status' shows the results.

A limit of CPU is exceeded only after some time (cpu_for): a single look prints "pending".`
	cmd.Example = "  {agent} watch --once --dry-run --config agent.yaml\n  {agent} watch --once -o json"
	cmd.Flags().BoolVar(&once, "once", false, "look once instead of until Ctrl-C")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would be done, even with watch.enforce")
	return cmd
}

// watch looks once, or until a signal, and prints each look.
func (a *cli) watch(ctx context.Context, once bool) (err error) {
	var log *audit.Logger
	if a.cfg.Watch.Enforce {
		if log, err = a.ownAuditLog(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, log.Stop()) }()
	}
	w, err := a.newWatcher(a.sink(log))
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	for {
		look, err := w.Once(ctx)
		if ctx.Err() != nil {
			return nil // Ctrl-C
		}
		if err != nil {
			return err
		}
		if err := a.printLook(look); err != nil || once {
			return err
		}
		t := time.NewTimer(cmp.Or(a.cfg.Watch.Interval, watch.DefaultInterval))
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

// ownAuditLog opens the audit log, which fails while a daemon has it open.
func (a *cli) ownAuditLog() (*audit.Logger, error) {
	c := a.cfg.Audit
	c.Logger, c.RemoteEndpoint = slog.New(slog.NewTextHandler(a.errw, nil)), ""
	log, err := audit.NewLogger(&c)
	if _, locked := errors.AsType[*audit.LockedError](err); locked {
		return nil, fmt.Errorf("%w; the daemon enforces watch.rules itself: use --dry-run", err)
	}
	if err != nil {
		return nil, err
	}
	log.Start()
	return log, nil
}

func (a *cli) printLook(l *watch.Look) error {
	if a.json() {
		return a.printJSON(l)
	}
	mode := "dry run"
	if l.Enforce {
		mode = "enforced"
	}
	a.printf("%s: %d processes, %d of them watched, %d findings; looked for %s\n", mode, l.Seen, l.Matched, len(l.Findings), l.Took.Round(time.Millisecond))
	if len(l.Findings) > 0 {
		t := newTable(a.out, "PID", "NAME", "RULE", "LIMIT", "VALUE", "AGE", "ACTION", "COMMAND")
		for _, f := range l.Findings {
			action := strings.TrimSpace(string(f.Action) + " " + f.Error)
			if f.Level == watch.Pending {
				action = string(watch.Pending)
			}
			t.row(f.PID, f.Name, f.Rule, limitText(f.Reason, f.Limit), limitText(f.Reason, f.Value), f.Age.Round(time.Second), action, f.Command)
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	if len(l.Zombies) > 0 {
		t := newTable(a.out, "PARENT", "NAME", "ZOMBIES")
		for _, z := range l.Zombies {
			t.row(z.PID, z.Name, z.Zombies)
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	if len(l.Dirs) == 0 {
		return nil
	}
	t := newTable(a.out, "DIRECTORY", "SIZE", "LIMIT", "FILES", "FREED", "REMOVED", "IN USE", "YOUNG", "ACTION")
	for _, d := range l.Dirs {
		t.row(d.Path, bytesText(d.Bytes), bytesText(d.MaxBytes), d.Files, bytesText(d.Freed), d.Removed, d.InUse, d.Young, strings.TrimSpace(string(d.Action)+" "+d.Error))
	}
	return t.flush()
}

// limitText returns a limit or a measured value in its unit.
func limitText(reason watch.Reason, v float64) string {
	switch reason {
	case watch.Memory:
		return "memory " + bytesText(int64(v))
	case watch.CPU:
		return fmt.Sprintf("cpu %.0f%%", v)
	case watch.Orphan:
		return "orphan"
	}
	return fmt.Sprintf("%s %s", reason, time.Duration(v*float64(time.Second)).Round(time.Second))
}

package agentcmd

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"
	"github.com/rediverio/sdk/pkg/audit"
	"github.com/rediverio/sdk/pkg/audit/auditlog"
	"github.com/rediverio/sdk/pkg/event"
)

func (a *cli) auditCommand() *cobra.Command {
	cmd := verbs("audit", "read the audit log, and verify that it is whole")
	cmd.Long = `Reads the audit log in --state-dir, or the log at PATH: a file, or a directory with a file audit.log. Rotated and
compressed files beside it are read too. The agent that writes the log is not disturbed.

Each event is printed on one line; with -o json each line is printed as it is in the log.`
	cmd.Example = `  {agent} audit tail -f
  {agent} audit query --since 2h --severity warn
  {agent} audit verify`
	cmd.AddCommand(a.auditTail(), a.auditQuery(), a.auditVerify(), a.auditNewKey())
	return cmd
}

// auditPath returns the log that the command line names, or else the one in the configuration.
func (a *cli) auditPath(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	if err := a.load(); err != nil {
		return "", err
	}
	return a.cfg.Audit.LogFile, nil
}

// auditFlags are the flags that select events.
type auditFlags struct {
	auditlog.Filter
	types []string
}

func (o *auditFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&o.types, "type", nil, "only events of this type; may be repeated")
	f.StringVar((*string)(&o.Severity), "severity", "", "only events of this severity or worse: debug, info, warn, error, critical")
	f.StringVar(&o.JobID, "job", "", "only events of this job")
	f.StringVar(&o.ReportID, "report", "", "only events of this report")
	f.StringVar(&o.Text, "text", "", "only events with this text anywhere, in upper or lower case")
}

// complete sets the fields of the filter that the flags do not set directly, and validates it.
func (o *auditFlags) complete() error {
	o.Severity = event.Severity(strings.ToUpper(string(o.Severity)))
	for _, t := range o.types {
		o.Types = append(o.Types, event.Type(t))
	}
	if err := o.Validate(); err != nil {
		return Usagef("%v", err)
	}
	return nil
}

func (a *cli) auditQuery() *cobra.Command {
	var o auditFlags
	var since, until string
	cmd := a.plainVerb("query [PATH]", "the events that match, oldest first", cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
		for _, w := range []struct {
			flag, text string
			into       *time.Time
		}{{"--since", since, &o.Since}, {"--until", until, &o.Until}} {
			var err error
			if *w.into, err = parseWhen(w.text, time.Now()); err != nil {
				return Usagef("%s: %v", w.flag, err)
			}
		}
		if err := o.complete(); err != nil {
			return err
		}
		path, err := a.auditPath(args)
		if err != nil {
			return err
		}
		p := a.auditPrinter()
		err = p.print(ctx, path, o.Filter)
		if err == nil && p.n == 0 {
			a.say("no event matches%s", typeHint(o.Types))
		}
		return errors.Join(err, p.out.Flush())
	})
	o.add(cmd)
	cmd.Flags().StringVar(&since, "since", "", "only events of the last 90m, 2h or 7d, or since 2026-11-21T03:00 (UTC, or with a zone)")
	cmd.Flags().StringVar(&until, "until", "", "only events before this time, in the same forms")
	cmd.Flags().IntVar(&o.Limit, "limit", 0, "maximum number of events (default: all)")
	cmd.Flags().BoolVar(&o.Newest, "newest", false, "newest first")
	cmd.Example = `  {agent} audit query --since 2h --severity error
  {agent} audit query --newest --limit 20 --type job_failed --type scan_failed
  {agent} audit query --job scan-1 -o json | jq .details
  {agent} audit query --text 'connection refused' /var/backups/host-7`
	return cmd
}

// typeHint returns a question about a type that no event has.
func typeHint(asked []audit.EventType) string {
	var known []string
	for _, t := range event.Types() {
		known = append(known, string(t))
	}
	for _, t := range asked {
		if near := configfile.Nearest(string(t), known); near != "" && !slices.Contains(known, string(t)) {
			return "; did you mean --type " + near + "?"
		}
	}
	return ""
}

// maxTail bounds the events that tail keeps in memory.
const maxTail = 10_000

func (a *cli) auditTail() *cobra.Command {
	var o auditFlags
	var n int
	var follow bool
	cmd := a.plainVerb("tail [PATH]", "the last events; with -f also new ones, until Ctrl-C", cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
		if n < 0 || n > maxTail {
			return Usagef("--lines %d: want 0 to %d", n, maxTail)
		}
		if err := o.complete(); err != nil {
			return err
		}
		path, err := a.auditPath(args)
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		p := a.auditPrinter()
		err = p.tail(ctx, path, o.Filter, n, follow)
		if follow && ctx.Err() != nil {
			err = nil // Ctrl-C is the way to end it
		}
		return errors.Join(err, p.out.Flush())
	})
	o.add(cmd)
	cmd.Flags().IntVarP(&n, "lines", "n", 10, "number of events")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "print new events as well, across rotations")
	cmd.Example = "  {agent} audit tail -n 50\n  {agent} audit tail -f --severity warn"
	return cmd
}

// tail prints the last n events, and with follow new ones until ctx ends.
func (p *auditPrinter) tail(ctx context.Context, path string, f auditlog.Filter, n int, follow bool) error {
	p.live = follow
	end := auditlog.Filter{Limit: 1} // the end of the log, whether it matches or not
	if n > 0 {
		end = f
		end.Limit = n
	}
	end.Newest = true
	var last []auditlog.Line
	for l, err := range auditlog.Query(ctx, path, end) {
		if err == nil {
			last = append(last, l)
		} else if err := p.skipped(err); err != nil {
			return err
		}
	}
	for _, l := range slices.Backward(last) {
		f.After = max(f.After, l.Seq)
		if n > 0 {
			if err := p.line(&l); err != nil {
				return err
			}
		}
	}
	if !follow {
		return nil
	}
	f.Follow = true
	return p.print(ctx, path, f)
}

// auditPrinter prints events.
type auditPrinter struct {
	a    *cli
	out  *bufio.Writer
	n    int
	live bool // each line is flushed
}

func (a *cli) auditPrinter() *auditPrinter { return &auditPrinter{a: a, out: bufio.NewWriter(a.out)} }

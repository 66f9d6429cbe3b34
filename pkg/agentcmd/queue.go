package agentcmd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/rediverio/sdk/internal/term"
	"github.com/rediverio/sdk/pkg/agentcmd/internal/control"
	"github.com/rediverio/sdk/pkg/chunk"
)

// openQueue returns a client of the queue: of the store itself, or of the running agent that has it open.
func (a *cli) openQueue() (*control.Client, func() error, error) {
	cc := a.cfg.Chunk
	m, err := chunk.NewManager(&cc)
	if _, held := errors.AsType[*chunk.LockedError](err); held {
		return control.Dial(a.cfg.Agent.StatusAddr), func() error { return nil }, nil
	}
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	queueRoutes(mux, m)
	c, stop := control.Local(mux)
	return c, func() error { return errors.Join(stop(), m.Close()) }, nil
}

// reportPath is the path of a report in the control interface.
func reportPath(id string) string { return "/queue/" + url.PathEscape(id) }

func (a *cli) queueCommand() *cobra.Command {
	cmd := verbs("queue", "reports that wait for upload, and dead letters")
	cmd.Example = "  {agent} queue list\n  {agent} queue show REPORT\n  {agent} queue retry REPORT"
	verb := func(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, q *control.Client, args []string) error) {
		cmd.AddCommand(a.verb(use, short, args, func(ctx context.Context, args []string) error {
			q, closeQueue, err := a.openQueue()
			if err != nil {
				return err
			}
			return errors.Join(run(ctx, q, args), closeQueue())
		}))
	}
	verb("list", "list them", cobra.NoArgs, func(ctx context.Context, q *control.Client, _ []string) error {
		var infos []chunk.ReportInfo
		if err := q.Get(ctx, "/queue", &infos); err != nil {
			return err
		}
		return a.printQueue(infos)
	})
	verb("show REPORT", "one report with its parts", cobra.ExactArgs(1), func(ctx context.Context, q *control.Client, args []string) error {
		var e queueEntry
		if err := q.Get(ctx, reportPath(args[0]), &e); err != nil {
			return err
		}
		return a.printEntry(&e)
	})
	verb("export REPORT…", "write their stored parts, one line of JSON for each", cobra.MinimumNArgs(1), func(ctx context.Context, q *control.Client, args []string) error {
		for _, id := range args {
			if err := q.Copy(ctx, reportPath(id)+"/export", a.out); err != nil {
				return fmt.Errorf("report %s: %w", id, err)
			}
		}
		return nil
	})
	verb("rekey", "encrypt everything with the first key of chunk.key_file", cobra.NoArgs, func(ctx context.Context, q *control.Client, _ []string) error {
		var n int64
		if err := q.Post(ctx, "/rekey", &n); err != nil {
			return err
		}
		return a.print(map[string]int64{"parts": n}, "%s encrypted with the first key\n", count(n, "part"))
	})
	verb("retry REPORT…", "make dead letters due again", cobra.MinimumNArgs(1), a.eachReport("retry", "part", "due again"))
	verb("drop REPORT…", "remove reports for good, uploaded or not", cobra.MinimumNArgs(1), a.eachReport("drop", "revision", "removed"))
	return cmd
}

// eachReport posts an action to each report and prints how many things it was done to.
func (a *cli) eachReport(action, thing, done string) func(context.Context, *control.Client, []string) error {
	return func(ctx context.Context, q *control.Client, ids []string) error {
		counts := map[string]int{}
		var errs []error
		for _, id := range ids {
			var n int
			if err := q.Post(ctx, reportPath(id)+"/"+action, &n); err != nil {
				errs = append(errs, err)
				continue
			}
			counts[id] = n
			if !a.json() {
				a.printf("%s: %s %s\n", id, count(n, thing), done)
			}
		}
		if a.json() {
			errs = append(errs, a.printJSON(counts))
		}
		return errors.Join(errs...)
	}
}

func (a *cli) printQueue(infos []chunk.ReportInfo) error {
	if a.json() || len(infos) == 0 {
		return a.print(infos, "the queue is empty\n")
	}
	t := newTable(a.out, "REPORT", "STATE", "TOOL", "FINDINGS", "UPLOADED", "DEAD", "SIZE", "SUBMITTED", "LAST ERROR")
	for _, i := range infos {
		t.row(i.ReportID, i.State, i.Tool, i.Findings, fmt.Sprintf("%d/%d", i.Uploaded, i.Parts), i.Dead, bytesText(i.BytesStored), ago(i.Created), term.Line(i.LastError, 60))
	}
	return t.flush()
}

func (a *cli) printEntry(e *queueEntry) error {
	if a.json() {
		return a.printJSON(e)
	}
	for _, i := range e.Revisions {
		a.printf("%s revision %d: %s, job %s, tool %s, %s, %d of %s uploaded, %d dead, submitted %s\n",
			i.ReportID, i.Revision, i.State, i.JobID, i.Tool, count(i.Findings, "finding"), i.Uploaded, count(i.Parts, "part"), i.Dead, ago(i.Created))
	}
	t := newTable(a.out, "PART", "STATE", "ATTEMPTS", "FINDINGS", "SIZE", "LAST ERROR")
	for _, p := range e.Parts {
		t.row(p.Index, p.State, p.Attempts, p.Findings, bytesText(p.Bytes), p.LastError)
	}
	return t.flush()
}

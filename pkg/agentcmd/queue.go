package agentcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rediverio/sdk/internal/filelock"
	"github.com/rediverio/sdk/pkg/chunk"
)

// openQueue opens the store, or turns to the daemon that has it open.
func (a *cli) openQueue() (queue, func() error, error) {
	cc := a.cfg.Chunk
	m, err := chunk.NewManager(&cc)
	var held *filelock.HeldError
	if errors.As(err, &held) {
		return &remoteQueue{newControlClient(a.cfg.Agent.StatusAddr)}, func() error { return nil }, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return &storeQueue{m}, m.Close, nil
}

func (a *cli) queueCommand() *cobra.Command {
	q := verbs("queue", "reports that wait for upload, and dead letters")
	q.Example = "  {agent} queue list\n  {agent} queue show REPORT\n  {agent} queue retry REPORT"
	verb := func(use, short string, args cobra.PositionalArgs, f func(ctx context.Context, q queue, args []string) error) {
		q.AddCommand(a.verb(use, short, args, func(ctx context.Context, args []string) error {
			if err := a.load(); err != nil {
				return err
			}
			q, closeQueue, err := a.openQueue()
			if err != nil {
				return err
			}
			return errors.Join(f(ctx, q, args), closeQueue())
		}))
	}
	verb("list", "list them", cobra.NoArgs, func(ctx context.Context, q queue, _ []string) error {
		infos, err := q.list(ctx)
		if err != nil {
			return err
		}
		return a.printQueue(infos)
	})
	verb("show REPORT", "one report with its parts", cobra.ExactArgs(1), func(ctx context.Context, q queue, args []string) error {
		e, err := q.show(ctx, args[0])
		if err != nil {
			return err
		}
		return a.printEntry(e)
	})
	verb("export REPORT…", "write their stored parts, a line of JSON each", cobra.MinimumNArgs(1), func(ctx context.Context, q queue, args []string) error {
		for _, id := range args {
			if err := q.export(ctx, id, a.out); err != nil {
				return fmt.Errorf("report %s: %w", id, err)
			}
		}
		return nil
	})
	verb("rekey", "encrypt everything with the first key of chunk.key_file", cobra.NoArgs, func(ctx context.Context, q queue, _ []string) error {
		n, err := q.rekey(ctx)
		if err != nil {
			return err
		}
		if a.json() {
			return a.printJSON(map[string]int64{"parts": n})
		}
		fmt.Fprintf(a.out, "%d parts are encrypted anew\n", n)
		return nil
	})
	verb("retry REPORT…", "make dead letters due again", cobra.MinimumNArgs(1), a.eachReport("parts are due again", queue.retry))
	verb("drop REPORT…", "remove reports for good, sent or not", cobra.MinimumNArgs(1), a.eachReport("revisions removed", queue.drop))
	return q
}

func (a *cli) eachReport(what string, f func(queue, context.Context, string) (int, error)) func(context.Context, queue, []string) error {
	return func(ctx context.Context, q queue, ids []string) error {
		done := map[string]int{}
		var errs []error
		for _, id := range ids {
			n, err := f(q, ctx, id)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			done[id] = n
			if !a.json() {
				fmt.Fprintf(a.out, "%s: %d %s\n", id, n, what)
			}
		}
		if a.json() {
			errs = append(errs, a.printJSON(done))
		}
		return errors.Join(errs...)
	}
}

func (a *cli) printQueue(infos []chunk.ReportInfo) error {
	if a.json() {
		return a.printJSON(infos)
	}
	if len(infos) == 0 {
		fmt.Fprintln(a.out, "the queue is empty")
		return nil
	}
	t := newTable(a.out, "REPORT", "STATE", "TOOL", "FINDINGS", "UPLOADED", "DEAD", "SIZE", "SUBMITTED", "LAST ERROR")
	for _, i := range infos {
		t.row(i.ReportID, i.State, i.Tool, i.Findings, fmt.Sprintf("%d/%d", i.Uploaded, i.Parts), i.Dead, bytesText(i.BytesStored), ago(i.Created), clip(i.LastError, 60))
	}
	return t.flush()
}

func (a *cli) printEntry(e *queueEntry) error {
	if a.json() {
		return a.printJSON(e)
	}
	for _, i := range e.Revisions {
		fmt.Fprintf(a.out, "%s revision %d: %s, job %s, tool %s, %d findings, %d of %d parts uploaded, %d dead, submitted %s\n",
			i.ReportID, i.Revision, i.State, i.JobID, i.Tool, i.Findings, i.Uploaded, i.Parts, i.Dead, ago(i.Created))
	}
	t := newTable(a.out, "PART", "STATE", "ATTEMPTS", "FINDINGS", "SIZE", "LAST ERROR")
	for _, p := range e.Parts {
		t.row(p.Index, p.State, p.Attempts, p.Findings, bytesText(p.Bytes), p.LastError)
	}
	return t.flush()
}

package agentcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/server"
	"github.com/rediverio/sdk/pkg/report"
)

func (a *cli) findingsCommand() *cobra.Command {
	var q ingest.Query
	var severities []string
	var data, tenant string
	var limit int
	cmd := a.verb("findings", "list the findings in the ingest store", cobra.NoArgs, func(ctx context.Context, _ []string) error {
		if limit < 0 {
			return Usagef("--limit %d is negative; 0 means all", limit)
		}
		for _, s := range severities {
			q.Severities = append(q.Severities, report.Severity(s))
		}
		q.Limit = ingest.MaxPageLimit
		if err := q.Validate(); err != nil {
			return Usagef("%v", err)
		}
		if data != "" {
			a.cfg.Ingest.Data, a.cfg.Server.URL = data, ""
		}
		if a.Uploader != nil && a.cfg.Server.URL == "" && data == "" {
			return fmt.Errorf("%s uploads reports with an uploader of its own: the findings are at its receiver", a.Name)
		}
		from, closeFinder, err := a.finder(tenant)
		if err != nil {
			return err
		}
		defer closeFinder()
		if a.flags.output == outputSARIF {
			return a.exportFindings(ctx, from, q, limit)
		}
		return a.printFindings(ctx, from, q, limit)
	})
	f := cmd.Flags()
	f.StringSliceVar(&severities, "severity", nil, "only these severities: critical, high, medium, low, info")
	f.StringVar((*string)(&q.MinSeverity), "min-severity", "", "this severity or worse")
	f.StringVar(&q.Tool, "tool", "", "only findings of this tool")
	f.StringVar(&q.Rule, "rule", "", "only findings of this rule")
	f.StringVar(&q.PathPrefix, "path", "", "only findings in files whose path begins with this")
	f.StringVar(&q.ReportID, "report", "", "only findings last seen by this report")
	f.IntVar(&limit, "limit", 0, "maximum number of findings (default: all)")
	f.StringVar(&data, "data", "", "directory of the ingest store (default: ingest in --state-dir)")
	f.StringVar(&tenant, "tenant", localTenant, "tenant, if a store is read directly")
	cmd.Example = "  {agent} findings --min-severity high --tool gitleaks\n  {agent} findings -o json | jq length\n  {agent} findings -o sarif > findings.sarif"
	return cmd
}

// finder opens what has the findings: the server if one is configured, else the store in the data directory.
func (a *cli) finder(tenant string) (ingest.Finder, func(), error) {
	if a.cfg.Server.URL != "" {
		c, err := a.newClient()
		if err != nil {
			return nil, nil, err
		}
		return c, c.Close, nil
	}
	store, err := server.OpenStore(server.StoreConfig{Path: storePath(a.cfg.Ingest.Data), ReadOnly: true})
	if errors.Is(err, fs.ErrNotExist) {
		return emptyFinder{}, func() {}, nil // no report was ever accepted
	}
	if err != nil {
		return nil, nil, err
	}
	return store.Tenant(tenant), func() { _ = store.Close() }, nil // it was only read
}

// emptyFinder is a store that does not exist yet.
type emptyFinder struct{}

func (emptyFinder) Findings(context.Context, ingest.Query) (*ingest.Page, error) {
	return &ingest.Page{}, nil
}

// printFindings prints a table, or one JSON array item by item.
func (a *cli) printFindings(ctx context.Context, from ingest.Finder, q ingest.Query, limit int) error {
	list := &jsonList{w: a.out}
	t := a.newFindingsTable()
	n := 0
	for f, err := range ingest.All(ctx, from, q) {
		if err != nil {
			return serverError(err)
		}
		n++
		if a.json() {
			if err := list.add(f); err != nil {
				return err
			}
		} else {
			t.finding(f)
		}
		if n == limit {
			break
		}
	}
	if a.json() {
		return list.end()
	}
	if n == 0 {
		a.printf("no findings\n")
		return nil
	}
	if err := t.flush(); err != nil {
		return err
	}
	a.printf("\n%s\n", count(n, "finding"))
	return nil
}

func (a *cli) newFindingsTable() *table {
	return newTable(a.out, "SEVERITY", "TOOL", "RULE", "WHERE", "TITLE")
}

func (t *table) finding(f ingest.Finding) {
	where := f.Path
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d", f.Path, f.Line)
	}
	title := f.Title
	if suppressed(f) {
		title = "(suppressed) " + title
	}
	t.row(f.Severity, f.Tool, f.Rule, where, title)
}

// suppressed reports whether the finding was suppressed in its source.
func suppressed(f ingest.Finding) bool {
	var raw struct {
		Suppression *report.Suppression `json:"suppression"`
	}
	return json.Unmarshal(f.Raw, &raw) == nil && raw.Suppression != nil
}

// serverError gives an error of the server its exit code.
func serverError(err error) error {
	if e, ok := errors.AsType[*ingest.Error](err); ok && (e.Unavailable() || e.Unauthorized()) {
		return &ExitError{ExitUnavailable, err}
	}
	return err
}

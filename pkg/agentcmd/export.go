package agentcmd

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/report/sarif"
)

// outputSARIF is a value of --output for findings only.
const outputSARIF = "sarif"

// exportFindings writes the findings as SARIF, one run for each tool. Findings are sorted by severity, so the tools are
// collected first. Then the findings of one tool after the other are queried, at most as many as the first time.
func (a *cli) exportFindings(ctx context.Context, from ingest.Finder, q ingest.Query, limit int) error {
	tools, err := countByTool(ctx, from, q, limit)
	if err != nil {
		return err
	}
	w := sarif.NewWriter(a.out)
	if len(tools) == 0 {
		tools = []toolCount{{name: a.Name}} // SARIF needs a run to report that there are no findings
	}
	for _, t := range tools {
		if err := w.Begin(&report.Report{Tool: &report.Tool{Name: t.name}}); err != nil {
			return err
		}
		if err := t.export(ctx, w, from, q); err != nil {
			return err
		}
	}
	return w.Close()
}

// toolCount is the number of selected findings that come from a tool.
type toolCount struct {
	name     string
	findings int
}

// countByTool returns the tools in the order of their first findings. If q selects one tool, its findings are not counted.
func countByTool(ctx context.Context, from ingest.Finder, q ingest.Query, limit int) (list []toolCount, err error) {
	if q.Tool != "" {
		return []toolCount{{q.Tool, cmp.Or(limit, math.MaxInt)}}, nil
	}
	n := 0
	for f, err := range ingest.All(ctx, from, q) {
		if err != nil {
			return nil, serverError(err)
		}
		i := slices.IndexFunc(list, func(t toolCount) bool { return t.name == f.Tool })
		if i < 0 {
			i = len(list)
			list = append(list, toolCount{name: f.Tool})
		}
		list[i].findings++
		if n++; n == limit {
			break
		}
	}
	return list, nil
}

// export writes the findings of a tool, at most as many as were counted.
func (t toolCount) export(ctx context.Context, w *sarif.Writer, from ingest.Finder, q ingest.Query) error {
	q.Tool = t.name // which is empty for findings without a tool, and then selects all
	for f, err := range ingest.All(ctx, from, q) {
		if t.findings == 0 {
			break
		}
		if err != nil {
			return serverError(err)
		}
		if f.Tool != t.name {
			continue
		}
		t.findings--
		if err := w.Add(findingOf(f)); err != nil {
			return fmt.Errorf("finding %s: %w", f.Fingerprint, err)
		}
	}
	return nil
}

// findingOf returns a stored finding. If its JSON does not match the schema, the columns of the store are used.
func findingOf(f ingest.Finding) *report.Finding {
	var out report.Finding
	if json.Unmarshal(f.Raw, &out) != nil {
		out = report.Finding{
			RuleID: f.Rule, Fingerprint: f.Fingerprint, AssetValue: f.Asset, Location: &report.Location{Path: f.Path, StartLine: f.Line},
		}
	}
	out.Type = cmp.Or(out.Type, report.TypeVulnerability)
	out.Title = cmp.Or(out.Title, f.Title, "untitled")
	if out.Severity.Rank() < 0 {
		out.Severity = f.Severity
	}
	return &out
}

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

// outputSARIF is the form of output that only findings have.
const outputSARIF = "sarif"

// exportFindings writes the findings as SARIF, one run for each tool. Findings come by severity, so the tools are
// asked for first, and then the findings of one after the other, as many as the first time.
func (a *cli) exportFindings(ctx context.Context, from ingest.Finder, q ingest.Query, limit int) error {
	tools, err := countByTool(ctx, from, q, limit)
	if err != nil {
		return err
	}
	w := sarif.NewWriter(a.out)
	if len(tools) == 0 {
		tools = []toolCount{{name: a.Name}} // who says that there are none
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

// toolCount is how many of the findings asked for are of a tool.
type toolCount struct {
	name     string
	findings int
}

// countByTool returns the tools in the order in which they come first. One that is asked for is not counted.
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

// export writes the findings of a tool, at most n.
func (t toolCount) export(ctx context.Context, w *sarif.Writer, from ingest.Finder, q ingest.Query) error {
	q.Tool = t.name // no name asks for those of all tools
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

// findingOf returns a stored finding. Where an agent has sent one that is not what the schema says, the columns of the
// store stand in.
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

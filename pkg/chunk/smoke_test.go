package chunk

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/rediverio/sdk/pkg/report"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	m, err := NewManager(&Config{DatabasePath: filepath.Join(t.TempDir(), "c.db"), AutoCleanupOnUpload: true, CleanupOnReportComplete: true, UploadDelayMs: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r := &report.Report{Metadata: report.Metadata{ID: "r1"}, Tool: &report.Tool{Name: "x"}, Assets: []*report.Asset{{ID: "a", Type: "repository", Value: "v"}}}
	for i := range 5000 {
		r.Findings = append(r.Findings, &report.Finding{Type: "vulnerability", Title: fmt.Sprint("t", i), Severity: "high", AssetRef: "a", RuleID: "r", Location: &report.Location{Path: "p", StartLine: i + 1}})
	}
	id, err := m.SubmitReport(ctx, r)
	if err != nil || id != "r1" {
		t.Fatal(id, err)
	}
	if _, err := m.SubmitReport(ctx, r); err != nil {
		t.Fatal(err)
	}
	st, err := m.GetStats(ctx)
	t.Logf("%+v %v", st, err)
	n, f := 0, 0
	for {
		p, due, err := m.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if p == nil {
			t.Log(due)
			break
		}
		pr, err := p.Report()
		if err != nil {
			t.Fatal(err)
		}
		f += len(pr.Findings)
		prog, err := m.Settle(ctx, p, report.Outcome{Kind: report.Uploaded, Result: &report.Result{FindingsCreated: p.Findings}})
		if err != nil {
			t.Fatal(err)
		}
		n++
		t.Log(p.Key, p.Total, prog.Done, prog.Finished, prog.Result.FindingsCreated)
	}
	st, err = m.GetStats(ctx)
	t.Logf("%d %d %+v %v", n, f, st, err)
}

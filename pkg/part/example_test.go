package part_test

import (
	"fmt"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// Splitting a report into parts.
func ExampleSplit() {
	r := &report.Report{
		Metadata: report.Metadata{ID: "scan-42", CoverageType: report.CoverageFull},
		Tool:     &report.Tool{Name: "gitleaks"},
		Assets:   []*report.Asset{{ID: "repo", Type: "repository", Value: "git.example/shop"}},
	}
	for i := range 5 {
		r.Findings = append(r.Findings, &report.Finding{
			Type: report.TypeSecret, Title: "AWS key", Severity: report.Critical, RuleID: "aws-key", AssetRef: "repo",
			Location: &report.Location{Path: "deploy.sh", StartLine: i + 1},
		})
	}
	parts, sum, err := part.Split(r, part.SplitConfig{MinFindings: 5, MaxFindings: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range parts {
		read, err := p.Report() // every part can be read alone
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(p.Index, read.Tool.Name, read.Assets[0].Value, len(read.Findings), read.Metadata.CoverageType)
	}
	fmt.Println(sum.Findings, "findings,", sum.BySeverity[report.Critical], "critical")
	// Output:
	// 0 gitleaks git.example/shop 2 partial
	// 1 gitleaks git.example/shop 2 partial
	// 2 gitleaks git.example/shop 1 full
	// 5 findings, 5 critical
}

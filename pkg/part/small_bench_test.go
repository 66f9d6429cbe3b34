package part

import (
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/report"
)

// small is a report of about 1 KB of JSON: two findings of one repository.
func small() *report.Report {
	return &report.Report{
		Metadata: report.Metadata{ID: "bench-small-0001", Timestamp: time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC), SourceType: report.SourceScanner,
			SourceRef: "job-17", Branch: &report.Branch{Name: "main", CommitSHA: "0a2be1c0ffee"}},
		Tool:   &report.Tool{Name: "gitleaks", Version: "8.30.1"},
		Assets: []*report.Asset{{ID: "repo", Type: "repository", Value: "git.example/a/b"}},
		Findings: []*report.Finding{
			{Type: report.TypeSecret, Title: "AWS access key", Severity: report.Critical, RuleID: "aws-access-token", AssetRef: "repo",
				Message: "A key was committed to the repository.", Tags: []string{"secret", "aws"},
				Location: &report.Location{Path: "deploy/prod.env", StartLine: 12, EndLine: 12},
				Secret:   &report.Secret{SecretType: "aws", MaskedValue: "AKIA****************", Length: 20}},
			{Type: report.TypeVulnerability, Title: "SQL injection in query builder", Severity: report.High, RuleID: "go.lang.security.sqli", AssetRef: "repo",
				Message:  "User-controlled data flows into an SQL statement without being escaped.",
				Location: &report.Location{Path: "internal/db/query.go", StartLine: 88, EndLine: 90, Snippet: "\tdb.Query(\"SELECT \" + id)"}},
		},
	}
}

// BenchmarkSplitSmall measures the work on a report of 1 KB before it is queued.
func BenchmarkSplitSmall(b *testing.B) {
	r := small()
	b.ReportAllocs()
	var sum Summary
	for b.Loop() {
		var err error
		if _, sum, err = Split(r, SplitConfig{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(sum.RawBytes), "raw-B")
}

func BenchmarkSplitSmallParallel(b *testing.B) {
	r := small()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := Split(r, SplitConfig{}); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkFindingJSON(b *testing.B) {
	for name, f := range map[string]*report.Finding{"usual": usual(1).Findings[0], "small": small().Findings[0]} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if sinkBytes, err = f.MarshalJSON(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package report

import (
	"testing"
	"time"
)

// small is a report of about 1 KB of JSON: two findings of one repository.
func small() *Report {
	return &Report{
		Metadata: Metadata{ID: "bench-small-0001", Timestamp: time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC), SourceType: SourceScanner,
			SourceRef: "job-17", Branch: &Branch{Name: "main", CommitSHA: "0a2be1c0ffee"}},
		Tool:   &Tool{Name: "gitleaks", Version: "8.30.1"},
		Assets: []*Asset{{ID: "repo", Type: "repository", Value: "git.example/a/b"}},
		Findings: []*Finding{
			{Type: TypeSecret, Title: "AWS access key", Severity: Critical, RuleID: "aws-access-token", AssetRef: "repo",
				Message: "A key was committed to the repository.", Tags: []string{"secret", "aws"},
				Location: &Location{Path: "deploy/prod.env", StartLine: 12, EndLine: 12},
				Secret:   &Secret{SecretType: "aws", MaskedValue: "AKIA****************", Length: 20}},
			{Type: TypeVulnerability, Title: "SQL injection in query builder", Severity: High, RuleID: "go.lang.security.sqli", AssetRef: "repo",
				Message:  "User-controlled data flows into an SQL statement without being escaped.",
				Location: &Location{Path: "internal/db/query.go", StartLine: 88, EndLine: 90, Snippet: "\tdb.Query(\"SELECT \" + id)"}},
		},
	}
}

// BenchmarkSplitSmall is what submitting a report of 1 KB costs before it reaches a queue.
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
	for name, f := range map[string]*Finding{"usual": usual(1).Findings[0], "small": small().Findings[0]} {
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

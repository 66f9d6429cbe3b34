package part

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/report"
)

// usual returns a typical report of a code scanner: one repository, and findings of about 700 bytes.
func usual(findings int) *report.Report {
	r := &report.Report{
		Version: report.SchemaVersion,
		Metadata: report.Metadata{ID: "bench-1", Timestamp: time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC),
			Branch: &report.Branch{Name: "main", RepositoryURL: "https://git.example/a/b"}},
		Tool:   &report.Tool{Name: "semgrep", Version: "1.100.0"},
		Assets: []*report.Asset{{ID: "repo", Type: "repository", Value: "git.example/a/b"}},
	}
	for i := range findings {
		r.Findings = append(r.Findings, &report.Finding{
			Type: report.TypeVulnerability, Title: "SQL injection in query builder", Severity: report.Severities()[i%5], RuleID: fmt.Sprintf("go.lang.security.rule-%d", i%40),
			Message:  "User-controlled data flows into an SQL statement without being escaped; use a parameterised query instead of string concatenation.",
			AssetRef: "repo", References: []string{"https://owasp.org/www-community/attacks/SQL_Injection"}, Tags: []string{"security", "cwe-89"},
			Location:    &report.Location{Path: fmt.Sprintf("internal/pkg%d/file%d.go", i%60, i%700), StartLine: i % 900, EndLine: i%900 + 2, Snippet: "\trows, err := db.Query(\"SELECT * FROM users WHERE id=\" + id)"},
			Properties:  report.Properties{"confidence": "HIGH", "index": i},
			Fingerprint: fmt.Sprintf("%064x", i*2654435761),
		})
	}
	return r
}

// BenchmarkSplit compares Split with the minimum for any sender of a report, which is to encode and compress it once as a
// whole on one CPU.
func BenchmarkSplit(b *testing.B) {
	for _, n := range []int{100, 2000, 20000} {
		r := usual(n)
		raw, err := json.Marshal(r)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("findings=%d/impl=whole", n), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				raw, err := r.MarshalJSON()
				if err != nil {
					b.Fatal(err)
				}
				sinkBytes = codec.Compress(make([]byte, 0, len(raw)/4), raw, DefaultCompressionLevel)
			}
			b.ReportMetric(float64(len(sinkBytes)), "stored-B")
		})
		b.Run(fmt.Sprintf("findings=%d/impl=split", n), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			var sum Summary
			for b.Loop() {
				if _, sum, err = Split(r, SplitConfig{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(sum.DataBytes), "stored-B")
		})
	}
}

func BenchmarkPartReport(b *testing.B) {
	parts, _, err := Split(usual(500), SplitConfig{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(parts[0].RawSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parts[0].Report(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkComputeFingerprint(b *testing.B) {
	f := usual(1).Findings[0]
	b.ReportAllocs()
	for b.Loop() {
		sinkString = f.ComputeFingerprint()
	}
}

var (
	sinkBytes  []byte
	sinkString string
)

func TestBenchReport(t *testing.T) {
	b, err := json.Marshal(usual(1000))
	if n := len(b) / 1000; err != nil || n < 600 || n > 900 || !bytes.Contains(b, []byte("fingerprint")) {
		t.Errorf("%d bytes a finding, %v", n, err)
	}
}

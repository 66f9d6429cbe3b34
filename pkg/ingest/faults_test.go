package ingest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
)

var _ pipeline.Uploader = (*ingest.Client)(nil)

func parts(t testing.TB, id string, findings int) []*part.Part {
	t.Helper()
	r := &report.Report{Metadata: report.Metadata{ID: id}, Tool: &report.Tool{Name: "semgrep"}}
	for i := range findings {
		r.Findings = append(r.Findings, &report.Finding{Type: report.TypeVulnerability, Title: "Finding", Severity: report.High,
			RuleID: "rule", AssetType: "repository", AssetValue: "https://example.com/repo", Location: &report.Location{Path: "a.go", StartLine: i + 1}})
	}
	out, _, err := part.Split(r, part.SplitConfig{MinFindings: 20, MaxFindings: 10})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Whatever goes wrong, a sender that repeats until it gets a yes has every finding stored once.
func TestRepeatingThroughEveryFaultStoresOnce(t *testing.T) {
	for name, f := range map[string]ingesttest.Fault{
		"503": {Status: 503, RetryAfter: "1"}, "500": {Status: 500}, "429": {Status: 429}, "portal": {Status: 200, Body: "<html>"},
		"cut body": {Cut: true}, "lost answer": {LoseAnswer: true}, "cut answer": {CutAnswer: true}, "hang": {Hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			srv := ingesttest.New(t)
			c := srv.Client()
			var sum part.Result
			tries := 0
			for _, p := range parts(t, "r1", 50) {
				srv.Fail(f)
				for {
					tries++
					ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
					if f.Hang && srv.Pending() > 0 {
						ctx, cancel = context.WithTimeout(context.Background(), 20*time.Millisecond)
					}
					res, err := c.Upload(ctx, p)
					cancel()
					if err == nil {
						sum.Add(res)
						break
					}
					var e *ingest.Error
					if !errors.As(err, &e) || e.Permanent() || tries > 100 {
						t.Fatalf("try %d: %v", tries, err)
					}
				}
			}
			if sum.FindingsCreated != 50 {
				t.Errorf("the answers say %d created, want 50", sum.FindingsCreated)
			}
			if n := len(srv.Findings("")); n != 50 {
				t.Errorf("%d findings, want 50", n)
			}
			if s := srv.Stats(""); s.Reports != 1 || s.Parts != 5 || s.Findings != 50 || s.Duplicates != 0 || s.Rejected != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestDelayAndRecord(t *testing.T) {
	srv := ingesttest.New(t, ingesttest.WithTenant("another-token", "other"))
	c := srv.ClientWith(ingest.ClientConfig{Token: "another-token", AgentID: "agent-7"})
	srv.Fail(ingesttest.Fault{Path: "/heartbeat", Delay: 10 * time.Millisecond})
	p := parts(t, "r1", 3)[0]
	if _, err := c.Upload(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := c.Heartbeat(context.Background(), ingest.Heartbeat{Status: "running"}); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(begin); d < 10*time.Millisecond {
		t.Errorf("delayed by %s only", d)
	}
	got := srv.Requests()
	if len(got) != 2 || got[0].Path != ingest.DefaultIngestPath || got[0].Status != 201 || got[0].BodyBytes != int64(len(p.Data)) ||
		got[0].Header.Get("Idempotency-Key") != p.Key || got[0].Header.Get("X-Agent-ID") != "agent-7" {
		t.Errorf("recorded %+v", got)
	}
	if len(srv.Findings("other")) != 3 || len(srv.Findings("")) != 0 {
		t.Error("findings are not with the tenant of the token")
	}
}

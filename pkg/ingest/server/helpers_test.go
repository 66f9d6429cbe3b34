package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

const (
	tokenA = "token-of-tenant-a"
	tokenB = "token-of-tenant-b"
)

func newStore(t testing.TB) *Store {
	t.Helper()
	s := testkit.Must(OpenStore(StoreConfig{Path: filepath.Join(t.TempDir(), "data", "ingest.db")}))
	t.Cleanup(func() { testkit.Check(t, s.Close()) })
	return s
}

// sweep deletes all reports that have received no part for age and returns their number.
func sweep(t testing.TB, s *Store, age time.Duration) (n int) {
	t.Helper()
	for testkit.Must(s.sweepOne(age)) {
		n++
	}
	return n
}

// newServer serves tenants a and b on a loopback port.
func newServer(t testing.TB, change func(*HandlerConfig)) (*Store, string) {
	t.Helper()
	cfg := HandlerConfig{Store: newStore(t), Tokens: map[string]string{tokenA: "a", tokenB: "b"}}
	if change != nil {
		change(&cfg)
	}
	h, err := NewHandler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return cfg.Store, srv.URL
}

func newClient(t testing.TB, url, token string) *ingest.Client {
	t.Helper()
	c, err := ingest.NewClient(ingest.ClientConfig{BaseURL: url, Token: token, AgentID: "agent-1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// sample returns a report of n findings in one repository.
func sample(id string, n int) *report.Report {
	r := &report.Report{
		Metadata: report.Metadata{ID: id}, Tool: &report.Tool{Name: "semgrep"},
		Assets: []*report.Asset{{ID: "repo", Type: "repository", Value: "https://example.com/repo"}},
	}
	sevs := report.Severities()
	for i := range n {
		r.Findings = append(r.Findings, &report.Finding{
			Type: report.TypeVulnerability, Title: fmt.Sprintf("Finding number %d", i), Severity: sevs[i%len(sevs)],
			RuleID: fmt.Sprintf("rule-%d", i%7), AssetRef: "repo", Message: strings.Repeat("a long message ", 12) + fmt.Sprint(i),
			Location: &report.Location{Path: fmt.Sprintf("src/dir%d/file.go", i%50), StartLine: i + 1, EndLine: i + 2, Snippet: "x := y"},
		})
	}
	return r
}

// split splits r into parts of at most max findings.
func split(t testing.TB, r *report.Report, max int) []*part.Part {
	t.Helper()
	parts, _, err := part.Split(r, part.SplitConfig{MinFindings: max + 1, MaxFindings: max})
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

func upload(t testing.TB, c *ingest.Client, p *part.Part) *part.Result {
	t.Helper()
	res, err := c.Upload(context.Background(), p)
	if err != nil {
		t.Fatalf("upload part %d of %d: %v", p.Index, p.Total, err)
	}
	return res
}

func findings(t testing.TB, f ingest.Finder, q ingest.Query) []ingest.Finding {
	t.Helper()
	var out []ingest.Finding
	for one, err := range ingest.All(context.Background(), f, q) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, one)
	}
	return out
}

func stats(t testing.TB, c *ingest.Client) *ingest.Stats {
	t.Helper()
	s, err := c.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t testing.TB, url, token string) *http.Response {
	t.Helper()
	return request(t, http.MethodGet, url, token, "")
}

// post sends a raw request with pairs of header names and values.
func post(t testing.TB, url, token, body string, header ...string) *http.Response {
	t.Helper()
	return request(t, http.MethodPost, url, token, body, header...)
}

func request(t testing.TB, method, url, token, body string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func readBytes(encoding string, data []byte) (*document, error) {
	return readBytesWithin(encoding, data, Limits{}.withDefaults())
}

func readBytesWithin(encoding string, data []byte, lim Limits) (*document, error) {
	return readDocument(encoding, data, lim)
}

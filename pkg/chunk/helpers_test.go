package chunk

import (
	"context"
	"database/sql"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/part"

	"github.com/rediverio/sdk/pkg/report"
)

// open opens a store that is closed, and found consistent, when the test ends. Without a path it is a new one, and
// without an UploadDelayMs it has none.
func open(t testing.TB, cfg Config) *Manager {
	t.Helper()
	if cfg.DatabasePath == "" {
		cfg.DatabasePath = filepath.Join(t.TempDir(), "chunks.db")
	}
	if cfg.UploadDelayMs == 0 {
		cfg.UploadDelayMs = -1
	}
	m, err := NewManager(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if m.db.Closed() {
			return
		}
		checkStore(t, m)
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// checkStore fails unless the file is intact and agrees with Counts.
func checkStore(t testing.TB, m *Manager) {
	t.Helper()
	c := m.Counts()
	if c.Submitted+c.Recovered != c.Completed+c.Failed+c.Dropped+c.InProgress+c.Queued {
		t.Errorf("counts do not add up: %+v", c)
	}
	for _, q := range []struct {
		what, sql string
		want      int64
	}{
		{"pending reports", "SELECT count(*) FROM reports WHERE state = 1", c.Queued + c.InProgress},
		{"waiting parts", "SELECT count(*) FROM parts WHERE state = 1", c.Parts},
		{"bytes of waiting parts", "SELECT coalesce(sum(size), 0) FROM parts WHERE state = 1", c.Bytes},
		{"parts of no report", "SELECT count(*) FROM parts WHERE rid NOT IN (SELECT rid FROM reports)", 0},
		{"blobs of no part", "SELECT count(*) FROM blobs WHERE pid NOT IN (SELECT pid FROM parts)", 0},
		{"waiting parts without data", "SELECT count(*) FROM parts WHERE state = 1 AND pid NOT IN (SELECT pid FROM blobs)", 0},
		{"pending reports that lack parts", `SELECT count(*) FROM reports r WHERE state = 1 AND parts != done + dead +
			(SELECT count(*) FROM parts p WHERE p.rid = r.rid AND p.state = 1)`, 0},
	} {
		if got := number(t, m, q.sql); got != q.want {
			t.Errorf("%s: %d, want %d (%+v)", q.what, got, q.want, c)
		}
	}
	m.mu.Lock()
	var reports, bytes int64
	for _, a := range m.accounts {
		reports += a.reports
		bytes += a.bytes
	}
	m.mu.Unlock()
	if got := number(t, m, "SELECT coalesce(sum(size), 0) FROM parts WHERE state IN (1, 3)"); got != bytes || reports != c.Queued+c.InProgress {
		t.Errorf("the tenants' accounts say %d reports and %d bytes, the file has %d bytes (%+v)", reports, bytes, got, c)
	}
	var verdict string
	if err := m.db.Read.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity check: %s %v", verdict, err)
	}
}

func number(t testing.TB, m *Manager, query string, args ...any) (n int64) {
	t.Helper()
	if err := m.db.Read.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// alter changes the file through a connection of its own, as another program would.
func alter(t testing.TB, path string, queries ...string) {
	t.Helper()
	d, err := sql.Open("sqlite", sqlitedb.DSN(path))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, q := range queries {
		if _, err := d.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// execute runs statements on the connection that writes, so that a TEMP trigger is in force there.
func execute(t testing.TB, m *Manager, queries ...string) {
	t.Helper()
	for _, q := range queries {
		if err := m.change(context.Background(), 0, func(t *tx) error { _, err := t.Exec(q); return err }); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

var stamp = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// testReport returns a report whose content follows from its ID and size.
func testReport(id string, findings int) *report.Report {
	r := &report.Report{
		Metadata: report.Metadata{ID: id, Timestamp: stamp}, Tool: &report.Tool{Name: "test"},
		Assets: []*report.Asset{{ID: "repo", Type: "repository", Value: "example.com/repo"}},
	}
	for i := range findings {
		r.Findings = append(r.Findings, &report.Finding{
			Type: report.TypeVulnerability, Title: fmt.Sprintf("finding %d of %s", i, id), Severity: report.High, RuleID: "rule", AssetRef: "repo",
			Location: &report.Location{Path: "a.go", StartLine: i + 1},
		})
	}
	return r
}

// split is a configuration under which testReport becomes one part for every two findings.
var split = Config{MinFindingsForChunking: 2, MaxFindingsPerChunk: 2, AutoCleanupOnUpload: true, CleanupOnReportComplete: true, MaxConcurrentUploads: 100}

// noise returns n bytes of text that does not compress below three quarters; another seed gives another text.
func noise(seed, n int) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	rnd := rand.New(rand.NewPCG(uint64(seed), 1))
	b := make([]byte, 0, n+8)
	for len(b) < n {
		for v, i := rnd.Uint64(), 0; i < 10; i, v = i+1, v>>6 {
			b = append(b, digits[v&63])
		}
	}
	return string(b[:n])
}

// bulky returns a report that takes about mb MiB on disk.
func bulky(id string, mb int) *report.Report {
	r := testReport(id, 0)
	for i := range mb * 4 {
		r.Findings = append(r.Findings, bulkyFinding(id, i))
	}
	return r
}

// bulkyFinding takes about 256 KiB on disk.
func bulkyFinding(id string, i int) *report.Finding {
	return &report.Finding{
		Type: report.TypeVulnerability, Title: fmt.Sprint(id, i), Severity: report.Low, RuleID: fmt.Sprint("rule", i),
		Description: noise(i+int(crc32.ChecksumIEEE([]byte(id)))<<20, 340<<10),
	}
}

func submit(t testing.TB, m *Manager, r *report.Report, env ...part.Envelope) {
	t.Helper()
	var e part.Envelope
	if len(env) > 0 {
		e = env[0]
	}
	if _, err := m.Put(context.Background(), r, e); err != nil {
		t.Fatalf("submit %s: %v", r.Metadata.ID, err)
	}
}

// next leases a part, nil when none is due.
func next(t testing.TB, m *Manager) *part.Part {
	t.Helper()
	p, _, err := m.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func settle(t testing.TB, m *Manager, p *part.Part, o part.Outcome) part.Progress {
	t.Helper()
	prog, err := m.Settle(context.Background(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

var uploaded = part.Outcome{Kind: part.Uploaded}

// drain uploads the parts that are due and returns them.
func drain(t testing.TB, m *Manager) (parts []*part.Part) {
	t.Helper()
	for p := next(t, m); p != nil; p = next(t, m) {
		settle(t, m, p, uploaded)
		parts = append(parts, p)
	}
	return parts
}

// titles decodes parts and counts their findings by title.
func titles(t testing.TB, parts []*part.Part) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for _, p := range parts {
		r, err := p.Report()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Findings {
			seen[f.Title]++
		}
	}
	return seen
}

// still ends the clean-ups of m, so that only the test makes changes.
func still(t testing.TB, m *Manager) {
	m.closeOnce.Do(func() {
		close(m.stop)
		m.cleaner.Wait()
	})
	t.Cleanup(func() {
		checkStore(t, m)
		if err := m.db.Close(); err != nil {
			t.Error(err)
		}
	})
}

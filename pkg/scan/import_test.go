package scan_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/report/sarif"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// document returns SARIF with n results.
func document(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"lint","version":"2.0"}},` +
		`"invocations":[{"executionSuccessful":true,"endTimeUtc":"2026-01-02T03:04:05Z"}],` +
		`"versionControlProvenance":[{"repositoryUri":"https://me:pw@example.com/r","revisionId":"abc","branch":"main"}],"results":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"ruleId":"r%d","message":{"text":"finding %d"},"locations":[{"physicalLocation":`+
			`{"artifactLocation":{"uri":"/src/dir/f%d.go"},"region":{"startLine":%d}}}]}`, i%10, i, i, i+1)
	}
	b.WriteString(`]}]}`)
	return b.Bytes()
}

func TestImport(t *testing.T) {
	var rec scantest.Recorder
	asset := &report.Asset{ID: "a", Type: "repository", Value: "r"}
	res, err := scan.Import(t.Context(), bytes.NewReader(document(3)), scan.ImportOptions{
		ReportID: "mine", JobID: "job", Asset: asset, Root: "/src", Type: report.TypeMisconfiguration,
		Tool: report.Tool{Version: "2.1", Vendor: "us"},
	}, rec.Open)
	if err != nil {
		t.Fatal(err)
	}
	r := rec.Report
	if res.ReportID != "mine" || res.Summary.Findings != 3 || res.Partial || res.Process != nil || !rec.Closed {
		t.Errorf("result %+v", res)
	}
	if r.Tool.Name != "lint" || r.Tool.Version != "2.1" || r.Tool.Vendor != "us" || r.Tool.Properties["sarif_version"] != "2.0" {
		t.Errorf("tool %+v", r.Tool)
	}
	m := r.Metadata
	if want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC); !m.Timestamp.Equal(want) || m.SourceRef != "job" || m.CoverageType != report.CoverageFull {
		t.Errorf("metadata %+v", m)
	}
	if b := m.Branch; b == nil || b.Name != "main" || b.CommitSHA != "abc" || b.RepositoryURL != "https://example.com/r" {
		t.Errorf("branch %+v", m.Branch)
	}
	if f := r.Findings[1]; f.Location.Path != "dir/f1.go" || f.AssetRef != "a" || f.Type != report.TypeMisconfiguration {
		t.Errorf("finding %+v at %+v", f, f.Location)
	}
}

func TestImportOfNothingElse(t *testing.T) {
	var rec scantest.Recorder
	res, err := scan.Import(t.Context(), bytes.NewReader(document(1)), scan.ImportOptions{}, rec.Open)
	if err != nil || report.CheckID("id", res.ReportID) != nil || len(rec.Report.Assets) != 0 || rec.Report.Findings[0].AssetRef != "" {
		t.Errorf("got %+v, %v", res, err)
	}
}

func TestImportRefuses(t *testing.T) {
	var version *sarif.VersionError
	for name, tt := range map[string]struct {
		text string
		is   func(error) bool
	}{
		"empty":    {"", func(err error) bool { return errors.Is(err, sarif.ErrEmpty) }},
		"no JSON":  {"hello", func(err error) bool { return errors.Is(err, sarif.ErrNotJSON) }},
		"no SARIF": {`{"a":1}`, func(err error) bool { return errors.Is(err, sarif.ErrNotSARIF) }},
		"old":      {`{"version":"1.0.0","runs":[]}`, func(err error) bool { return errors.As(err, &version) }},
	} {
		t.Run(name, func(t *testing.T) {
			var rec scantest.Recorder
			_, err := scan.Import(t.Context(), strings.NewReader(tt.text), scan.ImportOptions{}, rec.Open)
			if err == nil || !tt.is(err) || rec.Opened != 0 {
				t.Errorf("got %v, opened %d", err, rec.Opened)
			}
		})
	}
}

// canceller cancels after n findings.
type canceller struct {
	scantest.Recorder
	n      int
	cancel context.CancelFunc
}

func (c *canceller) open(head *report.Report) (part.Writer, error) {
	_, err := c.Open(head)
	return c, err
}

func (c *canceller) AddFinding(f *report.Finding) error {
	if c.n--; c.n == 0 {
		c.cancel()
	}
	return c.Recorder.AddFinding(f)
}

func TestImportIsCancelled(t *testing.T) {
	for _, n := range []int{1, 50, 100} { // the last one when everything has been read
		ctx, cancel := context.WithCancel(t.Context())
		c := &canceller{n: n, cancel: cancel}
		_, err := scan.Import(ctx, bytes.NewReader(document(100)), scan.ImportOptions{}, c.open)
		if !errors.Is(err, context.Canceled) || !c.Aborted || c.Closed || len(c.Report.Findings) != n {
			t.Errorf("after %d: %v, aborted %v, closed %v", n, err, c.Aborted, c.Closed)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var rec scantest.Recorder
	if _, err := scan.Import(ctx, bytes.NewReader(document(1)), scan.ImportOptions{}, rec.Open); !errors.Is(err, context.Canceled) || rec.Opened != 0 {
		t.Errorf("before: %v, opened %d", err, rec.Opened)
	}
}

func TestImportSetsTooLargeFindingsAside(t *testing.T) {
	rec := scantest.Recorder{AddErr: &report.TooLargeError{Item: "finding 0", Size: 9, Bound: 8}}
	res, err := scan.Import(t.Context(), bytes.NewReader(document(2)), scan.ImportOptions{}, rec.Open)
	if err != nil || !res.Partial || res.Sarif.Quarantined != 2 || rec.Report.Metadata.CoverageType != report.CoveragePartial {
		t.Errorf("got %+v, %v", res, err)
	}
}

// A file is scanned too; its findings are relative to its directory.
func TestScanOfAFile(t *testing.T) {
	b := newBench(t, scan.Config{}, scantest.Definition(t))
	dir, err := filepath.EvalSymlinks(b.target)
	if err != nil {
		t.Fatal(err)
	}
	uri := filepath.ToSlash(filepath.Join(dir, "file-0.go"))
	doc := strings.ReplaceAll(string(document(1)), "/src/dir/f0.go", uri)
	b = newBench(t, scan.Config{}, scantest.Definition(t, scantest.Sarif(doc)))
	b.target = filepath.Join(dir, "file-0.go")
	if _, err := b.scan(t.Context()); err != nil || b.rec.Report.Findings[0].Location.Path != "file-0.go" {
		t.Errorf("got %+v, %v", b.rec.Report.Findings, err)
	}
}

// The repository names the asset; a symbolic link to it changes nothing.
func TestScanOfARepository(t *testing.T) {
	b := newBench(t, scan.Config{}, scantest.Definition(t, scantest.Results(1)))
	for name, text := range map[string]string{
		".git/HEAD": "ref: refs/heads/main\n", ".git/config": "[remote \"origin\"]\n\turl = https://t:pw@example.com/a\n",
	} {
		path := filepath.Join(b.target, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(b.target, link); err != nil {
		t.Skip(err)
	}
	b.target = link
	if _, err := b.scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := b.rec.Report
	if r.Assets[0].Value != "https://example.com/a" || r.Metadata.Branch.Name != "main" || r.Findings[0].Location.Path != "file-0.go" {
		t.Errorf("asset %+v, branch %+v, path %q", r.Assets[0], r.Metadata.Branch, r.Findings[0].Location.Path)
	}
}

func TestAvailable(t *testing.T) {
	b := newBench(t, scan.Config{}, scantest.Definition(t))
	found := b.Available(t.Context())
	if len(found) != 1 || found[0].Name != scantest.Name || !filepath.IsAbs(found[0].Path) {
		t.Errorf("got %+v", found)
	}
	dir := t.TempDir()
	script := "#!/bin/sh\necho tool 4.5.6\n"
	if err := os.WriteFile(filepath.Join(dir, "tool-in-dir"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	def := scan.Custom("tool", "tool-in-dir", "{target}")
	def.VersionArgs = []string{"--version"}
	if found = newBench(t, scan.Config{}, def).Available(t.Context()); len(found) != 0 {
		t.Errorf("found outside of its directory: %+v", found)
	}
	in := newBench(t, scan.Config{BinDirs: []string{dir}}, def)
	if found = in.Available(t.Context()); len(found) != 1 || found[0].Version != "4.5.6" {
		t.Errorf("got %+v", found)
	}
}

func BenchmarkImport(b *testing.B) {
	doc := document(10_000)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		var rec discard
		if _, err := scan.Import(b.Context(), bytes.NewReader(doc), scan.ImportOptions{}, rec.open); err != nil {
			b.Fatal(err)
		}
	}
}

// discard is a writer that keeps nothing.
type discard struct{ scantest.Recorder }

func (d *discard) open(head *report.Report) (part.Writer, error) {
	_, err := d.Open(head)
	return d, err
}

func (d *discard) AddFinding(*report.Finding) error { return nil }

// BenchmarkScan is mostly the start of the scanner, which is the test binary.
func BenchmarkScan(b *testing.B) {
	bench := newBench(b, scan.Config{}, scantest.Definition(b, scantest.Results(10)))
	for b.Loop() {
		if _, err := bench.scan(b.Context()); err != nil {
			b.Fatal(err)
		}
		bench.rec = scantest.Recorder{}
	}
}

// A file that gives a million reasons to warn does not fill the memory, or the report, with them.
func TestWarningsAreBounded(t *testing.T) {
	run := `{"tool":{"driver":{"name":"x"}},"invocations":[{"executionSuccessful":false}]}`
	doc := `{"version":"2.1.0","runs":[` + strings.Repeat(run+",", 999) + run + `]}`
	var rec scantest.Recorder
	res, err := scan.Import(t.Context(), strings.NewReader(doc), scan.ImportOptions{}, rec.Open)
	if err != nil || len(res.Warnings) < 100 || len(res.Warnings) > 202 {
		t.Errorf("%d warnings, %v", len(res.Warnings), err)
	}
	if w, _ := rec.Report.Metadata.Properties["warnings"].([]string); len(w) != 20 {
		t.Errorf("%d warnings in the report", len(w))
	}
}

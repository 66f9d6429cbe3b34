package part

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/report"
)

// randomReport returns a report with every kind of item: findings with, without and with a dangling asset, and assets with
// and without an ID, some of them large.
func randomReport(r *rand.Rand, findings, assets, dependencies int) *report.Report {
	text := func(most int) string {
		if r.IntN(20) == 0 {
			most *= 20
		}
		return strings.Repeat("words in a row ", 1+r.IntN(1+most/15))
	}
	rep := &report.Report{
		Metadata: report.Metadata{
			ID: "r-1", Timestamp: time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC), CoverageType: report.CoverageFull,
			Branch: &report.Branch{Name: "main", CommitSHA: "0123abcd"}, Properties: report.Properties{"host": text(100)},
		},
		Tool:       &report.Tool{Name: "gitleaks", Version: "8.30.1", Properties: report.Properties{"rules": text(500)}},
		Properties: report.Properties{"note": text(1000)},
	}
	for i := range assets {
		a := &report.Asset{Type: "repository", Value: fmt.Sprintf("asset-%d", i), Description: text(100)}
		if r.IntN(4) > 0 {
			a.ID = fmt.Sprintf("a%d", i)
		}
		rep.Assets = append(rep.Assets, a)
	}
	for i := range findings {
		f := &report.Finding{
			ID: fmt.Sprintf("f%d", i), Type: report.TypeVulnerability, Title: "t", Severity: report.Severities()[r.IntN(5)],
			RuleID: fmt.Sprintf("rule-%d", r.IntN(9)), Message: text(300),
			Location: &report.Location{Path: fmt.Sprintf("dir/file%d.go", r.IntN(50)), StartLine: r.IntN(200)},
		}
		switch r.IntN(4) {
		case 0:
			f.AssetRef = "nowhere"
		case 1, 2:
			f.AssetRef = fmt.Sprintf("a%d", r.IntN(assets+1))
		}
		rep.Findings = append(rep.Findings, f)
	}
	for i := range dependencies {
		rep.Dependencies = append(rep.Dependencies, &report.Dependency{Name: fmt.Sprintf("d%d", i), Version: "1.0", Path: text(60)})
	}
	return rep
}

func randomConfig(r *rand.Rand) SplitConfig {
	return SplitConfig{
		MinFindings: 1 + r.IntN(200), MinAssets: 1 + r.IntN(100), MinBytes: 1 + r.Int64N(200<<10),
		MaxFindings: 1 + r.IntN(100), MaxAssets: 1 + r.IntN(30), MaxBytes: 32<<10 + r.Int64N(64<<10),
		CompressionLevel: 1 + r.IntN(9),
	}
}

func mustSplit(t testing.TB, r *report.Report, cfg SplitConfig) ([]*Part, Summary) {
	t.Helper()
	parts, sum, err := Split(r, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return parts, sum
}

// TestSplitProperties checks the documented properties of Splitter for random reports and bounds.
func TestSplitProperties(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 7))
		rep := randomReport(r, r.IntN(400), r.IntN(150), r.IntN(200))
		cfg := randomConfig(r)
		before, err := json.Marshal(rep)
		if err != nil {
			t.Fatal(err)
		}
		parts, sum := mustSplit(t, rep, cfg)
		checkBounds(t, cfg, parts)
		checkContent(t, rep, parts, sum)
		checkSummary(t, rep, parts, sum)

		again, _ := mustSplit(t, rep, cfg)
		if !reflect.DeepEqual(parts, again) {
			t.Error("the second run made other parts")
		}
		if after, err := json.Marshal(rep); err != nil || string(before) != string(after) {
			t.Errorf("Split changed the caller's report: %v", err)
		}
		if t.Failed() {
			t.Fatalf("seed %d, %+v", seed, cfg)
		}
	}
}

func checkBounds(t *testing.T, cfg SplitConfig, parts []*Part) {
	t.Helper()
	for i, p := range parts {
		if p.Index != i || p.Total != len(parts) || p.Final != (i == len(parts)-1) {
			t.Errorf("part %d of %d has index %d, total %d, final %v", i, len(parts), p.Index, p.Total, p.Final)
		}
		items := p.Findings + p.Dependencies
		if p.Oversize && (items > 1 || p.RawSize <= cfg.MaxBytes) {
			t.Errorf("part %d: oversize with %d items and %d bytes", i, items, p.RawSize)
		}
		if len(parts) == 1 {
			continue // below the Min thresholds: whole
		}
		if p.RawSize > cfg.MaxBytes && !p.Oversize {
			t.Errorf("part %d: %d bytes, the bound is %d; %d items, %d assets", i, p.RawSize, cfg.MaxBytes, items, p.Assets)
		}
		if items > cfg.MaxFindings || p.Assets > cfg.MaxAssets {
			t.Errorf("part %d: %d items of %d, %d assets of %d", i, items, cfg.MaxFindings, p.Assets, cfg.MaxAssets)
		}
	}
}

// checkContent decodes the parts and compares their items with the report.
func checkContent(t *testing.T, rep *report.Report, parts []*Part, sum Summary) {
	t.Helper()
	var findings []*report.Finding
	var dependencies []*report.Dependency
	assets := map[string]*report.Asset{}
	ids := map[string]bool{}
	for _, a := range rep.Assets {
		if a.ID != "" {
			ids[a.ID] = true
		}
	}
	fingerprints := map[string]bool{}
	for i, p := range parts {
		if p.Key != Key("r-1", sum.Content, i) {
			t.Errorf("part %d has key %q", i, p.Key)
		}
		d, err := p.Report()
		if err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
		checkHead(t, rep, d, p)
		if len(d.Findings) != p.Findings || len(d.Assets) != p.Assets || len(d.Dependencies) != p.Dependencies {
			t.Errorf("part %d contains %d, %d, %d items, but its fields are %d, %d, %d", i, len(d.Findings), len(d.Assets),
				len(d.Dependencies), p.Findings, p.Assets, p.Dependencies)
		}
		here := map[string]bool{}
		for _, a := range d.Assets {
			if here[a.Value] {
				t.Errorf("part %d contains asset %s twice", i, a.Value)
			}
			here[a.Value], here["id "+a.ID], assets[a.Value] = true, true, a
		}
		for _, f := range d.Findings {
			if ids[f.AssetRef] && !here["id "+f.AssetRef] {
				t.Errorf("part %d: finding %s references asset %s, which is not in the part", i, f.ID, f.AssetRef)
			}
			if fingerprints[f.Fingerprint] || len(f.Fingerprint) != 64 {
				t.Errorf("finding %s: fingerprint %q is not new", f.ID, f.Fingerprint)
			}
			fingerprints[f.Fingerprint] = true
			f.Fingerprint = ""
		}
		findings = append(findings, d.Findings...)
		dependencies = append(dependencies, d.Dependencies...)
	}
	if !sameItems(findings, rep.Findings) || !sameItems(dependencies, rep.Dependencies) {
		t.Errorf("%d of %d findings, %d of %d dependencies, or others than were put in",
			len(findings), len(rep.Findings), len(dependencies), len(rep.Dependencies))
	}
	for _, a := range rep.Assets {
		if !reflect.DeepEqual(assets[a.Value], a) {
			t.Errorf("asset %s: got %+v", a.Value, assets[a.Value])
		}
	}
	if len(assets) != len(rep.Assets) {
		t.Errorf("the parts contain %d assets, want %d", len(assets), len(rep.Assets))
	}
}

func sameItems[T any](a, b []T) bool { return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b) }

// checkHead checks that a part can be read alone, and that only the last one claims full coverage.
func checkHead(t *testing.T, rep, d *report.Report, p *Part) {
	t.Helper()
	want := rep.Metadata
	if !p.Final {
		want.CoverageType = report.CoveragePartial
	}
	if !reflect.DeepEqual(d.Metadata, want) || !reflect.DeepEqual(d.Tool, rep.Tool) || d.Version != report.SchemaVersion {
		t.Errorf("part %d: metadata %+v, tool %+v, version %q", p.Index, d.Metadata, d.Tool, d.Version)
	}
	if p.Final && !reflect.DeepEqual(d.Properties, rep.Properties) {
		t.Errorf("part %d: properties %v", p.Index, d.Properties)
	}
	if p.Tool != rep.Tool.Name || p.ReportID != rep.Metadata.ID {
		t.Errorf("part %d: tool %q, report %q", p.Index, p.Tool, p.ReportID)
	}
	if d.Extra != nil {
		t.Errorf("part %d: Report has the members of the envelope: %v", p.Index, d.Extra)
	}
}

func checkSummary(t *testing.T, rep *report.Report, parts []*Part, sum Summary) {
	t.Helper()
	var raw, data int64
	var oversize, severities int
	for _, p := range parts {
		raw += p.RawSize
		data += int64(len(p.Data))
		if p.Oversize {
			oversize++
		}
	}
	for _, n := range sum.BySeverity {
		severities += n
	}
	if sum.Parts != len(parts) || sum.Findings != len(rep.Findings) || sum.Assets != len(rep.Assets) ||
		sum.Dependencies != len(rep.Dependencies) || sum.RawBytes != raw || sum.DataBytes != data ||
		sum.Oversize != oversize || severities != len(rep.Findings) {
		t.Errorf("the sums over the parts differ from the summary %+v", sum)
	}
}

// A caller that adds items one by one gets the same parts as from Split, each as soon as it or Workers-1 further parts are
// full.
func TestSplitterStreams(t *testing.T) {
	rep := randomReport(rand.New(rand.NewPCG(3, 3)), 500, 40, 100)
	cfg := SplitConfig{MinFindings: 10, MaxFindings: 50, Workers: 1}
	want, wantSum := mustSplit(t, rep, cfg)
	for _, cfg.Workers = range []int{1, 2, 5} {
		streams(t, rep, cfg, max(2, cfg.Workers)*50, want, wantSum)
	}
}

func streams(t *testing.T, rep *report.Report, cfg SplitConfig, most int, want []*Part, wantSum Summary) {
	t.Helper()

	var parts []*Part
	s, err := NewSplitter(rep, cfg, func(p *Part) error { parts = append(parts, p); return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range rep.Assets {
		if err := s.AddAsset(a); err != nil {
			t.Fatal(err)
		}
	}
	for i, f := range rep.Findings {
		if err := s.AddFinding(f); err != nil {
			t.Fatal(err)
		}
		if held := i + 1 - 50*len(parts); held > most {
			t.Fatalf("%d findings are held after %d, with %d workers", held, i+1, cfg.Workers)
		}
	}
	for _, d := range rep.Dependencies {
		if err := s.AddDependency(d); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	Seal(parts, sum.Content)
	if !reflect.DeepEqual(parts, want) || !reflect.DeepEqual(sum, wantSum) {
		t.Error("streamed parts differ from those of Split")
	}
}

func TestKeysDependOnTheContent(t *testing.T) {
	keys := func(change func(*report.Report)) string {
		rep := randomReport(rand.New(rand.NewPCG(5, 5)), 100, 10, 10)
		change(rep)
		parts, _ := mustSplit(t, rep, SplitConfig{MinFindings: 10, MaxFindings: 30})
		var all []string
		for _, p := range parts {
			all = append(all, p.Key)
		}
		return strings.Join(all, " ")
	}
	same := keys(func(*report.Report) {})
	if got := keys(func(*report.Report) {}); got != same {
		t.Errorf("keys of the same report differ: %s and %s", same, got)
	}
	seen := map[string]string{same: "nothing"}
	for name, change := range map[string]func(*report.Report){
		"one message":   func(r *report.Report) { r.Findings[99].Message += "!" },
		"the order":     func(r *report.Report) { r.Findings[0], r.Findings[1] = r.Findings[1], r.Findings[0] },
		"one less":      func(r *report.Report) { r.Findings = r.Findings[:99] },
		"an asset":      func(r *report.Report) { r.Assets[0].Name = "x" },
		"a dependency":  func(r *report.Report) { r.Dependencies[0].Version = "2" },
		"the ID":        func(r *report.Report) { r.Metadata.ID = "r-2" },
		"the timestamp": func(r *report.Report) { r.Metadata.Timestamp = r.Metadata.Timestamp.Add(time.Second) },
	} {
		got := keys(change)
		if other, dup := seen[got]; dup {
			t.Errorf("changing %s gives the keys of changing %s", name, other)
		}
		seen[got] = name
	}
}

package part

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/report"
)

func head() *report.Report {
	return &report.Report{Metadata: report.Metadata{ID: "r-1"}, Tool: &report.Tool{Name: "t"}}
}

// envelope has the members that describe a part of a split report.
type envelope struct {
	ReportID   string `json:"report_id"`
	ChunkIndex int    `json:"chunk_index"`
	IsFinal    bool   `json:"is_final"`
}

func finding(i int) *report.Finding {
	return &report.Finding{Type: report.TypeSecret, Title: fmt.Sprint("t", i), Severity: report.High, Message: fmt.Sprint("message ", i)}
}

// noise returns n characters that do not compress well.
func noise(n int) string {
	r := rand.New(rand.NewPCG(9, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('!' + r.IntN(90))
		if b[i] == '"' || b[i] == '\\' || b[i] == '&' || b[i] == '<' || b[i] == '>' {
			b[i] = 'x' // escaped in JSON
		}
	}
	return string(b)
}

func TestSmallReportIsOnePart(t *testing.T) {
	rep := randomReport(rand.New(rand.NewPCG(1, 1)), DefaultMinFindings-1, DefaultMinAssets-1, DefaultMinFindings-1)
	parts, sum := mustSplit(t, rep, SplitConfig{})
	if len(parts) != 1 || !parts[0].Final || sum.Findings != DefaultMinFindings-1 {
		t.Fatalf("got %d parts, %+v", len(parts), sum)
	}
	raw, err := codec.Decode(parts[0].Encoding, parts[0].Data, codec.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"report_id", "chunk_index", "is_final"} {
		if members[name] != nil {
			t.Errorf("the JSON of a single part has the member %s", name)
		}
	}
	if d, err := parts[0].Report(); err != nil || d.Metadata.CoverageType != report.CoverageFull {
		t.Errorf("coverage = %q, %v; want full", d.Metadata.CoverageType, err)
	}
}

func TestReportAtAMinimumIsSplit(t *testing.T) {
	for name, add := range map[string]func(*report.Report){
		"findings":     func(r *report.Report) { *r = *randomReport(rand.New(rand.NewPCG(1, 2)), DefaultMinFindings, 0, 0) },
		"assets":       func(r *report.Report) { *r = *randomReport(rand.New(rand.NewPCG(1, 2)), 0, DefaultMinAssets, 0) },
		"dependencies": func(r *report.Report) { *r = *randomReport(rand.New(rand.NewPCG(1, 2)), 0, 0, DefaultMinFindings) },
		"bytes": func(r *report.Report) {
			r.Findings = []*report.Finding{{Message: noise(3 << 20)}, {Message: noise(2 << 20)}}
		},
	} {
		rep := head()
		add(rep)
		if parts, _ := mustSplit(t, rep, SplitConfig{}); len(parts) < 2 {
			t.Errorf("%s: Split = one part, want several", name)
		}
	}
}

// A receiver needs the envelope to join the parts.
func TestSplitPartsHaveAnEnvelope(t *testing.T) {
	rep := randomReport(rand.New(rand.NewPCG(1, 3)), 30, 0, 0)
	parts, _ := mustSplit(t, rep, SplitConfig{MinFindings: 1, MaxFindings: 10})
	for i, p := range parts {
		raw, err := codec.Decode(p.Encoding, p.Data, codec.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var e envelope
		if err := json.Unmarshal(raw, &e); err != nil || e != (envelope{"r-1", i, i == 2}) {
			t.Errorf("part %d: %+v, %v", i, e, err)
		}
	}
	if len(parts) != 3 {
		t.Errorf("Split of 30 findings with 10 in a part = %d parts", len(parts))
	}
}

func TestAssetsWithoutID(t *testing.T) {
	rep := head()
	for i := range 250 {
		rep.Assets = append(rep.Assets, &report.Asset{Type: "host", Value: fmt.Sprint("host-", i)})
	}
	parts, _ := mustSplit(t, rep, SplitConfig{})
	seen := map[string]int{}
	for _, p := range parts {
		d, err := p.Report()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range d.Assets {
			seen[a.Value]++
		}
	}
	if len(seen) != 250 || len(parts) != 3 {
		t.Errorf("%d parts contain %d assets, want 250", len(parts), len(seen))
	}
}

// In a report of one repository with many findings, every part contains the repository.
func TestOneAssetManyFindings(t *testing.T) {
	rep := head()
	rep.Assets = []*report.Asset{{ID: "repo", Type: "repository", Value: "github.com/a/b"}}
	for i := range 5000 {
		f := finding(i)
		f.AssetRef = "repo"
		rep.Findings = append(rep.Findings, f)
	}
	parts, sum := mustSplit(t, rep, SplitConfig{})
	for i, p := range parts {
		if p.Assets != 1 {
			t.Errorf("part %d has %d assets", i, p.Assets)
		}
	}
	if len(parts) != 10 || sum.Assets != 1 {
		t.Errorf("%d parts, %d assets", len(parts), sum.Assets)
	}
}

func TestSBOMOnly(t *testing.T) {
	rep := head()
	for i := range 55000 {
		rep.Dependencies = append(rep.Dependencies, &report.Dependency{
			Name: fmt.Sprint("component-", i), Version: "1.2.3", PURL: fmt.Sprintf("pkg:npm/component-%d@1.2.3", i), Licenses: []string{"MIT"},
		})
	}
	parts, sum := mustSplit(t, rep, SplitConfig{})
	if sum.RawBytes < 5<<20 || sum.Dependencies != 55000 {
		t.Fatalf("the report is too small for this test: %+v", sum)
	}
	checkBounds(t, SplitConfig{}.withDefaults(), parts)
	next := 0
	for _, p := range parts {
		d, err := p.Report()
		if err != nil {
			t.Fatal(err)
		}
		for _, dep := range d.Dependencies {
			if dep.Name != fmt.Sprint("component-", next) {
				t.Fatalf("component %d is %s", next, dep.Name)
			}
			next++
		}
	}
	if next != 55000 {
		t.Errorf("the parts contain %d components, want 55000", next)
	}
}

func TestTenMegabytesUnderTwo(t *testing.T) {
	rep := head()
	for i := range 100 {
		f := finding(i)
		f.Description = noise(100 << 10)
		rep.Findings = append(rep.Findings, f)
	}
	parts, sum := mustSplit(t, rep, SplitConfig{})
	checkBounds(t, SplitConfig{}.withDefaults(), parts)
	if len(parts) < 5 || len(parts) > 7 || sum.Oversize != 0 {
		t.Errorf("Split of 10 MB = %d parts, %d of them oversize", len(parts), sum.Oversize)
	}
}

func TestLargeFindingIsAPart(t *testing.T) {
	rep := head()
	for i := range 2100 {
		rep.Findings = append(rep.Findings, finding(i))
	}
	rep.Findings[1000].Description = noise(3 << 20)
	parts, sum := mustSplit(t, rep, SplitConfig{})
	if sum.Oversize != 1 {
		t.Errorf("%d oversize parts, want 1", sum.Oversize)
	}
	for _, p := range parts {
		if p.Oversize != (p.RawSize > 3<<20) || p.Oversize && p.Findings != 1 {
			t.Errorf("part %d: oversize %v with %d findings in %d bytes", p.Index, p.Oversize, p.Findings, p.RawSize)
		}
		if _, err := p.Report(); err != nil {
			t.Error(err)
		}
	}
}

func TestLargeAssetIsAPart(t *testing.T) {
	rep := head()
	for i := range 201 {
		rep.Assets = append(rep.Assets, &report.Asset{Type: "host", Value: fmt.Sprint(i)})
	}
	rep.Assets[7].Description = noise(3 << 20)
	parts, sum := mustSplit(t, rep, SplitConfig{})
	checkBounds(t, SplitConfig{}.withDefaults(), parts)
	if sum.Oversize != 1 {
		t.Errorf("%d oversize parts, want 1", sum.Oversize)
	}
}

// Properties of the report that do not fit beside the last findings get a part of their own.
func TestLargePropertiesAreAPart(t *testing.T) {
	rep := head()
	rep.Properties = report.Properties{"note": noise(2<<20 - 1000)}
	for i := range 2100 {
		rep.Findings = append(rep.Findings, finding(i))
	}
	parts, sum := mustSplit(t, rep, SplitConfig{})
	checkBounds(t, SplitConfig{}.withDefaults(), parts)
	last := parts[len(parts)-1]
	d, err := last.Report()
	if err != nil || len(d.Properties["note"].(string)) != 2<<20-1000 || last.Findings != 0 || sum.Findings != 2100 {
		t.Errorf("the last part has %d findings, %d bytes, %v", last.Findings, last.RawSize, err)
	}
}

func TestTooLargeItemIsRefused(t *testing.T) {
	var parts []*Part
	s, err := NewSplitter(head(), SplitConfig{MinFindings: 1}, func(p *Part) error { parts = append(parts, p); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddFinding(finding(0)); err != nil {
		t.Fatal(err)
	}
	huge := strings.Repeat("x", 8<<20)
	for name, err := range map[string]error{
		"finding 1":    s.AddFinding(&report.Finding{Description: huge}),
		"asset 0":      s.AddAsset(&report.Asset{Description: huge}),
		"dependency 0": s.AddDependency(&report.Dependency{Path: huge}),
	} {
		var tl *report.TooLargeError
		if !errors.As(err, &tl) || tl.Item != name || tl.Bound != DefaultMaxItemBytes || tl.Size < 8<<20 {
			t.Errorf("Add of %s = %v, want a TooLargeError", name, err)
		}
	}
	if err := s.AddFinding(finding(1)); err != nil {
		t.Fatalf("AddFinding after a refused item = %v", err)
	}
	if sum, err := s.Close(); err != nil || sum.Findings != 2 || sum.Assets != 0 || len(parts) != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
}

func TestTooLargeHeadIsRefused(t *testing.T) {
	rep := head()
	rep.Tool.Properties = report.Properties{"x": strings.Repeat("x", 8<<20)}
	var tl *report.TooLargeError
	if _, _, err := Split(rep, SplitConfig{}); !errors.As(err, &tl) || !strings.Contains(tl.Item, "tool") {
		t.Errorf("Split with a head of 8 MiB = %v, want a TooLargeError of the tool", err)
	}
}

// A part that a receiver would refuse as a decompression bomb is not compressed.
func TestHighRatioIsNotCompressed(t *testing.T) {
	for _, n := range []int{100 << 10, 6 << 20} {
		rep := head()
		rep.Findings = []*report.Finding{{Type: report.TypeSecret, Title: "t", Severity: report.High, Description: strings.Repeat("a", n)}}
		parts, _ := mustSplit(t, rep, SplitConfig{})
		p := parts[0]
		if p.Encoding != codec.None || int64(len(p.Data)) != p.RawSize {
			t.Errorf("%d bytes: encoding %s, %d bytes from %d", n, p.Encoding, len(p.Data), p.RawSize)
		}
		if d, err := p.Report(); err != nil || len(d.Findings[0].Description) != n {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestRepeatsHaveDistinctFingerprints(t *testing.T) {
	rep := head()
	for i := range 3000 {
		rep.Findings = append(rep.Findings, &report.Finding{Type: report.TypeSecret, Title: "t", Severity: report.Info, Confidence: i})
	}
	given := &report.Finding{Type: report.TypeSecret, Title: "t", Fingerprint: "given"}
	rep.Findings = append(rep.Findings, given, given)
	seen := map[string]int{}
	parts, _ := mustSplit(t, rep, SplitConfig{})
	for _, p := range parts {
		d, err := p.Report()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range d.Findings {
			seen[f.Fingerprint]++
		}
	}
	if len(seen) != 3001 || seen["given"] != 2 {
		t.Errorf("%d fingerprints of 3001; the given one is there %d times", len(seen), seen["given"])
	}
	if fp := rep.Findings[0].ComputeFingerprint(); seen[fp] != 1 || seen[report.RepeatFingerprint(fp, 1)] != 1 {
		t.Error("fingerprints are not the computed one and its first repeat")
	}
	if rep.Findings[0].Fingerprint != "" {
		t.Error("the caller's finding was changed")
	}
}

// The number of repeats is not limited to a small integer type.
func TestManyRepeats(t *testing.T) {
	s, err := NewSplitter(head(), SplitConfig{}, func(*Part) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 1<<16 + 10 {
		seen[s.repeats.fingerprint(&report.Finding{Type: report.TypeSecret})] = true
	}
	if len(seen) != 1<<16+10 {
		t.Errorf("%d fingerprints of %d", len(seen), 1<<16+10)
	}
}

func TestInvalidItemsAreErrors(t *testing.T) {
	for name, rep := range map[string]*report.Report{
		"null finding":    {Findings: []*report.Finding{nil}},
		"null asset":      {Assets: []*report.Asset{nil}},
		"null dependency": {Dependencies: []*report.Dependency{nil}},
		"NaN":             {Findings: []*report.Finding{{Properties: report.Properties{"x": math.NaN()}}}},
		"NaN in the head": {Properties: report.Properties{"x": math.Inf(1)}},
		"function":        {Assets: []*report.Asset{{Properties: report.Properties{"x": func() {}}}}},
	} {
		rep.Metadata.ID = "r"
		if _, _, err := Split(rep, SplitConfig{}); err == nil {
			t.Errorf("%s: no error, want one", name)
		}
	}
	if _, _, err := Split(nil, SplitConfig{}); err == nil {
		t.Error("nil report: no error")
	}
	var ide *report.IDError
	if _, _, err := Split(&report.Report{}, SplitConfig{}); !errors.As(err, &ide) {
		t.Errorf("NewSplitter without an ID = %v, want an IDError", err)
	}
}

// After an error of emit, no more items are accepted.
func TestEmitFails(t *testing.T) {
	full := errors.New("disk full")
	calls := 0
	s, err := NewSplitter(head(), SplitConfig{MinFindings: 1, MaxFindings: 1}, func(*Part) error { calls++; return full })
	if err != nil {
		t.Fatal(err)
	}
	err = s.AddFinding(finding(0))
	for i := 1; i < 5; i++ {
		err = errors.Join(err, s.AddFinding(finding(i)))
	}
	if !errors.Is(err, full) {
		t.Errorf("AddFinding after emit failed = %v, want the error of emit", err)
	}
	if _, err := s.Close(); !errors.Is(err, full) || calls != 1 {
		t.Errorf("Close after %d calls of emit = %v, want the error of emit", calls, err)
	}
}

// A change of the head before Close is in the final part.
func TestHeadMayChangeUntilClose(t *testing.T) {
	rep := head()
	rep.Metadata.CoverageType = report.CoverageFull
	var parts []*Part
	s, err := NewSplitter(rep, SplitConfig{MinFindings: 1, MaxFindings: 1}, func(p *Part) error { parts = append(parts, p); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.AddFinding(finding(0)), s.AddFinding(finding(1))); err != nil {
		t.Fatal(err)
	}
	s.Head().Metadata.CoverageType = report.CoverageIncremental
	if _, err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := parts[len(parts)-1].Report()
	if err != nil || d.Metadata.CoverageType != report.CoverageIncremental || rep.Metadata.CoverageType != report.CoverageFull {
		t.Errorf("final part says %q, the caller's report %q, %v", d.Metadata.CoverageType, rep.Metadata.CoverageType, err)
	}
}

func TestSplitConfigValidate(t *testing.T) {
	if err := (SplitConfig{}).Validate(); err != nil {
		t.Errorf("Validate of the zero config = %v", err)
	}
	err := SplitConfig{MinFindings: -1, MinAssets: -1, MinBytes: -1, MaxFindings: -1, MaxAssets: -1, MaxBytes: 1 << 40,
		MaxItemBytes: -1, CompressionLevel: 10, Workers: 65}.Validate()
	for _, name := range []string{"min_findings: -1", "min_assets", "min_bytes", "max_findings", "max_assets",
		"max_bytes: 1099511627776 is outside 1 to 7340032", "max_item_bytes", "compression_level: 10", "workers: 65"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Validate = %v, want %q in it", err, name)
		}
	}
}

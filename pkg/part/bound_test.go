package part

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/report"
)

// A finding, its asset and the head are each within max_item_bytes, but exceed a part together.
func TestNoPartExceedsTheBound(t *testing.T) {
	rep := head()
	rep.Tool.Properties = report.Properties{"rules": noise(3 << 20)}
	var parts []*Part
	s, err := NewSplitter(rep, SplitConfig{}, func(p *Part) error { parts = append(parts, p); return nil })
	if err != nil {
		t.Fatal(err)
	}
	large := func(mb int, ref string) *report.Finding {
		return &report.Finding{Type: report.TypeSecret, Title: "t", Severity: report.High, AssetRef: ref, Description: noise(mb << 20)}
	}
	if err := s.AddAsset(&report.Asset{ID: "a", Type: "host", Value: "v", Description: noise(3 << 20)}); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"finding 0 with its asset, tool and metadata": s.AddFinding(large(2, "a")),
		"finding 0 with tool and metadata":            s.AddFinding(large(5, "")),
		"asset 1 with tool and metadata":              s.AddAsset(&report.Asset{Type: "host", Value: "w", Description: noise(5 << 20)}),
		"dependency 0 with tool and metadata":         s.AddDependency(&report.Dependency{Name: "d", Path: noise(5 << 20)}),
	} {
		var tl *report.TooLargeError
		if !errors.As(err, &tl) || tl.Item != what || tl.Bound != maxPart || tl.Size <= maxPart || strings.Contains(err.Error(), "max_item") {
			t.Errorf("Add of %s = %v, want a TooLargeError over %d", what, err, maxPart)
		}
	}
	if err := errors.Join(s.AddFinding(large(1, "a")), s.AddFinding(large(4, "")), s.AddFinding(large(2, ""))); err != nil {
		t.Fatal(err)
	}
	sum, err := s.Close()
	if err != nil || sum.Findings != 3 || sum.Assets != 1 {
		t.Fatalf("Close = %+v, %v; want 3 findings and 1 asset", sum, err)
	}
	for _, p := range parts {
		if p.RawSize > maxPart || int64(len(p.Data)) > maxPart {
			t.Errorf("part %d has %d bytes, %d compressed, want at most %d", p.Index, p.RawSize, len(p.Data), maxPart)
		}
		if _, err := p.Report(); err != nil {
			t.Error(err)
		}
	}
}

// A report below the Min thresholds stays whole only if there is room for it beside its head.
func TestLargeHeadSplitsSmallReport(t *testing.T) {
	rep := head()
	rep.Properties = report.Properties{"note": noise(6 << 20)}
	for i := range 4 {
		rep.Findings = append(rep.Findings, finding(i))
		rep.Findings[i].Description = noise(1 << 20)
	}
	parts, sum := mustSplit(t, rep, SplitConfig{})
	if len(parts) < 2 || sum.Findings != 4 {
		t.Fatalf("Split = %d parts, %+v; want several parts with 4 findings", len(parts), sum)
	}
	for _, p := range parts {
		if p.RawSize > maxPart {
			t.Errorf("part %d has %d bytes, want at most %d", p.Index, p.RawSize, maxPart)
		}
	}
}

// A head that grows too large while items are added is an error.
func TestGrowingHeadIsAnError(t *testing.T) {
	s, err := NewSplitter(head(), SplitConfig{MinFindings: 1}, func(*Part) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddFinding(&report.Finding{Type: report.TypeSecret, Title: "t", Severity: report.High, Description: noise(6 << 20)}); err != nil {
		t.Fatal(err)
	}
	s.Head().Tool = &report.Tool{Name: "t", Properties: report.Properties{"x": noise(2 << 20)}}
	var tl *report.TooLargeError
	if _, err := s.Close(); !errors.As(err, &tl) || tl.Bound != maxPart {
		t.Errorf("Close = %v, want a TooLargeError over %d", err, maxPart)
	}
}

// With the largest bounds and a head that fills most of a part, findings share the remaining room.
func TestLargeHeadLeavesLessRoom(t *testing.T) {
	rep := head()
	rep.Tool.Properties = report.Properties{"rules": noise(5 << 20)}
	for i := range 6 {
		rep.Findings = append(rep.Findings, finding(i))
		rep.Findings[i].Description = noise(1 << 20)
	}
	parts, sum := mustSplit(t, rep, SplitConfig{MinFindings: 1, MaxBytes: MaxBytes})
	if len(parts) != 3 || sum.Findings != 6 {
		t.Errorf("Split = %d parts, %+v; want 3 parts with 6 findings", len(parts), sum)
	}
}

// If the head cannot be encoded, accepted items are lost, so the whole report fails.
func TestInvalidHeadEndsTheReport(t *testing.T) {
	s, err := NewSplitter(head(), SplitConfig{MinFindings: 1}, func(*Part) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	s.Head().Tool.Properties = report.Properties{"x": math.NaN()}
	if err := s.AddFinding(finding(0)); err == nil || !strings.Contains(err.Error(), "header") {
		t.Errorf("AddFinding with an invalid head = %v, want an error about the header", err)
	}
	s.Head().Tool.Properties = nil
	if err := s.AddFinding(finding(1)); err == nil {
		t.Error("it goes on without the finding")
	}
	if _, err := s.Close(); err == nil {
		t.Error("it closes without the finding")
	}
}

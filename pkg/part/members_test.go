package part

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/jsonx"
	"github.com/rediverio/sdk/pkg/report"
)

// everywhere is a report in which every object has unknown members.
const everywhere = `{
 "version":"1.0", "x_report":{"deep":[1,2,{"a":null}]}, "$schema":"s",
 "metadata":{"id":"r","timestamp":"2026-08-01T00:00:00Z","x_meta":9007199254740993,
  "branch":{"name":"main","x_branch":true},"scope":{"name":"s","x_scope":"ß"},
  "properties":{"big":9007199254740993,"small":1e-400,"deep":{"big":18446744073709551617}}},
 "tool":{"name":"t","x_tool":[],"properties":{"n":12345678901234567890}},
 "assets":[{"type":"repository","value":"v","technical":{"any":1},"related_assets":["b"],"properties":{"n":9007199254740993}}],
 "findings":[{"type":"secret","title":"t","severity":"high","fingerprint":"fp","x finding":"\u0000 <&>","web3":{"chain":1},
  "location":{"path":"p","start_line":3,"x_loc":{}},"related_locations":[{"path":"q","x_rel":1.50}],
  "vulnerability":{"cve_id":"CVE-1","epss_score":0.123456789012345678},"secret":{"length":3,"x_secret":"s"},
  "misconfiguration":{"policy_id":"p","x_mis":-0},"suppression":{"kind":"k","x_sup":[[]]},
  "data_flow":{"sources":[1]},"remediation":{"fix":"x"},"properties":{"n":9007199254740993}}],
 "dependencies":[{"name":"d","locations":[{"path":"go.mod"}],"properties":{"n":9007199254740993}}],
 "properties":{"n":9007199254740993}
}`

// tree decodes JSON for comparison, with numbers as json.Number.
func tree(t testing.TB, b []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %.200s", err, b)
	}
	return v
}

// Unknown members survive splitting.
func TestUnknownMembersSurviveSplitting(t *testing.T) {
	for _, cfg := range []SplitConfig{{}, {MinFindings: 1, MaxFindings: 1}} {
		var r report.Report
		if err := json.Unmarshal([]byte(everywhere), &r); err != nil {
			t.Fatal(err)
		}
		parts, _ := mustSplit(t, &r, cfg)
		whole := report.Report{}
		for _, p := range parts {
			d, err := p.Report()
			if err != nil {
				t.Fatal(err)
			}
			d.Assets = append(whole.Assets, d.Assets...)
			d.Findings = append(whole.Findings, d.Findings...)
			d.Dependencies = append(whole.Dependencies, d.Dependencies...)
			whole = *d
		}
		b, err := json.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := tree(t, b), tree(t, []byte(everywhere)); !reflect.DeepEqual(got, want) {
			t.Errorf("in %d parts:\ngot  %v\nwant %v", len(parts), got, want)
		}
	}
}

// FuzzSplit splits any report that decodes. No finding is lost.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(everywhere))
	f.Add([]byte(`{"findings":[null],"assets":[null],"dependencies":[null],"tool":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r report.Report
		if json.Unmarshal(b, &r) != nil {
			return
		}
		r.Metadata.ID = report.CleanID(r.Metadata.ID)
		parts, sum, err := Split(&r, SplitConfig{MinFindings: 2, MaxFindings: 1})
		if err != nil {
			return // an item is null
		}
		n := 0
		for _, p := range parts {
			d, err := p.Report()
			if err != nil {
				t.Fatal(err)
			}
			n += len(d.Findings)
		}
		if n != len(r.Findings) || n != sum.Findings {
			t.Errorf("Split returned %d findings, Summary %d, want %d", n, sum.Findings, len(r.Findings))
		}
	})
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("no such thing") }

// A panic while a value of the caller is encoded is an error of its finding only.
func TestPanicIsAnErrorOfItsFinding(t *testing.T) {
	cycle := map[string]any{}
	cycle["self"] = cycle
	for name, bad := range map[string]any{"panic": panics{}, "cycle": cycle, "channel": make(chan int)} {
		s, err := NewSplitter(head(), SplitConfig{}, func(*Part) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		p := report.Properties{"deep": []any{bad}}
		if err := s.AddFinding(&report.Finding{Properties: p}); err == nil || !strings.Contains(err.Error(), "finding 0") {
			t.Errorf("%s: AddFinding = %v, want an error about finding 0", name, err)
		}
		if err := s.AddFinding(finding(1)); err != nil {
			t.Errorf("%s: AddFinding of the next finding = %v, want nil", name, err)
		}
		if sum, err := s.Close(); err != nil || sum.Findings != 1 {
			t.Errorf("%s: Close = %d findings, %v; want 1, nil", name, sum.Findings, err)
		}
	}
}

// Encoding a finding of the model's own types allocates only its bytes.
func TestEncodeDoesNotAllocate(t *testing.T) {
	f, room := small().Findings[0], make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := jsonx.AppendStruct(room, f); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("AppendStruct made %v allocations, want 0", n)
	}
}

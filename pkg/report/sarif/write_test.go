package sarif

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/rediverio/sdk/pkg/report"
)

// export writes findings as one run.
func export(t testing.TB, head *report.Report, findings []*report.Finding) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	if err := w.Begin(head); err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if err := w.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// same fails the test unless two findings have the same JSON, apart from the order of members and null values.
func same(t testing.TB, what string, want, got *report.Finding) {
	t.Helper()
	x, y := generic(t, want), generic(t, got)
	if reflect.DeepEqual(x, y) {
		return
	}
	for name, v := range x {
		if !reflect.DeepEqual(v, y[name]) {
			a, _ := json.Marshal(v)
			b, _ := json.Marshal(y[name])
			t.Errorf("%s: %s was\n%.2000s\nis\n%.2000s", what, name, a, b)
		}
	}
	for name, v := range y {
		if _, there := x[name]; !there {
			a, _ := json.Marshal(v)
			t.Errorf("%s: %s is new: %.2000s", what, name, a)
		}
	}
}

func generic(t testing.TB, f *report.Finding) map[string]any {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var p report.Properties
	if err := p.UnmarshalJSON(b); err != nil {
		t.Fatal(err)
	}
	return p
}

// stored returns the findings after a round trip through JSON, as from a store.
func stored(t testing.TB, in []*report.Finding) (out []*report.Finding) {
	t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// roundTrip checks that findings are the same after they were written and read, directly and from a store, and that
// writing them again gives the same bytes.
func roundTrip(t *testing.T, b []byte, opt Options) (exported []byte) {
	t.Helper()
	_, first, err := check(t, b, opt)
	if err != nil {
		t.Skip(err)
	}
	f, err := Open(bytes.NewReader(b), opt)
	if err != nil || len(f.Runs()) == 0 {
		t.Skip("no runs")
	}
	head := &report.Report{Tool: &f.Runs()[0].Tool, Assets: []*report.Asset{{Type: opt.AssetType, Value: opt.AssetValue}}}
	exported = export(t, head, first)
	if again := export(t, head, first); !bytes.Equal(exported, again) {
		t.Errorf("written twice, it differs:\n%.3000s\n%.3000s", exported, again)
	}
	for _, written := range [][]byte{exported, export(t, head, stored(t, first))} {
		sum, second, err := check(t, written, opt)
		if err != nil || sum.Partial || sum.Quarantined > 0 {
			t.Fatalf("what was written does not read: %v %+v", err, sum)
		}
		if len(second) != len(first) {
			t.Fatalf("%d findings, written and read %d", len(first), len(second))
		}
		for i := range first {
			same(t, first[i].RuleID, first[i], second[i])
		}
	}
	return exported
}

// TestRoundTrip reads, writes and reads all corpus files. With SARIF_EXPORT=dir the exports are written to that directory,
// for validation by other tools.
func TestRoundTrip(t *testing.T) {
	for _, path := range corpusFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			opt := Options{Root: "/home/me/repo", AssetRef: "a", AssetType: "repository", AssetValue: "r"}
			out := roundTrip(t, b, opt)
			t.Logf("%d bytes, written %d, results with a supplement: %d", len(b), len(out), bytes.Count(out, []byte(`"`+supplementName+`"`)))
			if dir := os.Getenv("SARIF_EXPORT"); dir != "" {
				if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), out, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

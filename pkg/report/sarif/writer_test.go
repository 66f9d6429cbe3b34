package sarif

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/report"
)

func TestWriterHoldsNoFindings(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	f := &report.Finding{Type: report.TypeVulnerability, Title: "t", Severity: report.Low, RuleID: "R", Description: strings.Repeat("d", 1000)}
	w := NewWriter(io.Discard)
	before := heap()
	for i := range 4_000 {
		f.Message = fmt.Sprintf("finding %d %s", i, strings.Repeat("m", 4000))
		if err := w.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("the heap grows by %d bytes", grown)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// The content of a rule beyond the bound is in the supplement of its result, and survives.
func TestMoreRulesThanARunDescribes(t *testing.T) {
	const most = 50
	var in []*report.Finding
	for i := range most + 20 {
		in = append(in, &report.Finding{
			Type: report.TypeVulnerability, Title: fmt.Sprintf("rule %d", i), Severity: report.Severities()[i%5], Message: "m",
			RuleID: fmt.Sprintf("R%d", i%(most+10)), RuleName: "name", Tags: []string{"a"},
		})
	}
	var out bytes.Buffer
	w := NewWriter(&out)
	if err := w.Begin(nil); err != nil {
		t.Fatal(err)
	}
	w.run.maxRules = most
	for _, f := range in {
		if err := w.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(out.Bytes()), Options{})
	if err != nil || f.Runs()[0].Rules != most {
		t.Errorf("%v, or more rules than %d", err, most)
	}
	sum, got, err := check(t, out.Bytes(), Options{})
	if err != nil || sum.Findings != len(in) {
		t.Fatalf("%v %+v", err, sum)
	}
	for i := range in {
		same(t, in[i].RuleID, in[i], got[i])
	}
}

// The asset of a finding is read from the run or the result, unless the reader's options set it.
func TestAssetsSurvive(t *testing.T) {
	about := func(kind, value string) *report.Finding {
		return &report.Finding{Type: "x", Title: "t", Severity: report.Low, AssetRef: "a", AssetType: kind, AssetValue: value}
	}
	in := []*report.Finding{about("host", "h1"), about("host", "h2"), about("", ""), about("repository", "h1")}
	out := export(t, &report.Report{Assets: []*report.Asset{{Type: "host", Value: "h1"}}}, in)
	if n := bytes.Count(out, []byte(assetName)); n != 4 {
		t.Errorf("the asset is recorded %d times, want 4: in the run and in three results", n)
	}
	_, got, err := check(t, out, Options{})
	if err != nil || len(got) != len(in) {
		t.Fatal(err)
	}
	for i, f := range got {
		if f.AssetRef != "" || f.AssetType != in[i].AssetType || f.AssetValue != in[i].AssetValue {
			t.Errorf("%d: %q %q %q", i, f.AssetRef, f.AssetType, f.AssetValue)
		}
	}
}

// failing accepts n bytes and then returns errors.
type failing struct{ n int }

var errFull = errors.New("no space")

func (w *failing) Write(b []byte) (int, error) {
	if w.n -= len(b); w.n < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriterErrors(t *testing.T) {
	good := &report.Finding{Type: report.TypeVulnerability, Title: "t", Severity: report.Low}
	var out bytes.Buffer
	w := NewWriter(&out)
	for name, f := range map[string]*report.Finding{
		"nil": nil, "no title": {Type: "x", Severity: report.Low}, "no severity": {Type: "x", Title: "t"},
		"no JSON":  {Type: "x", Title: "t", Severity: report.Low, DataFlow: json.RawMessage("{")},
		"a func":   {Type: "x", Title: "t", Severity: report.Low, Properties: report.Properties{"f": func() {}}},
		"no sarif": {Type: "x", Title: "t", Severity: report.Low, Properties: report.Properties{"sarif": make(chan int)}},
	} {
		if err := w.Add(f); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for range 2 {
		if err := w.Add(good); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if sum, _, err := check(t, out.Bytes(), Options{}); err != nil || sum.Results != 2 || len(sum.Warnings) > 0 {
		t.Errorf("after errors of findings: %v %+v", err, sum)
	}
	if w.Add(good) == nil || w.Begin(nil) == nil || w.Close() == nil {
		t.Error("a closed writer takes more")
	}
	for n := range 100 {
		w := NewWriter(&failing{n * 1000})
		var err error
		for range 200 {
			err = errors.Join(err, w.Add(good))
		}
		if err = errors.Join(err, w.Close()); !errors.Is(err, errFull) {
			if n == 0 {
				t.Errorf("a full disk gives %v", err)
			}
			break
		}
	}
	out.Reset()
	if err := NewWriter(&out).Close(); err != nil || !json.Valid(out.Bytes()) || !strings.Contains(out.String(), `"runs":[]`) {
		t.Errorf("nothing at all: %v %s", err, &out)
	}
}

// A supplement is as untrusted as the rest of a file.
func TestSupplementIsUntrusted(t *testing.T) {
	result := func(uri, supplement string) string {
		return file(fmt.Sprintf(`{"ruleId":"r","message":{"text":"m"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":%q}}}],"properties":{"a":1,"rediver/finding":%s}}`, uri, supplement))
	}
	opt := Options{Root: "/repo", AssetRef: "ours", AssetValue: "our", AssetType: "repository"}
	for name, c := range map[string]struct {
		in string
		ok func(f *report.Finding) bool
	}{
		"another asset": {result("a", `{"asset_ref":"theirs","asset_value":"their","asset_type":"host"}`), func(f *report.Finding) bool {
			return f.AssetRef == "ours" && f.AssetValue == "our" && f.AssetType == "repository"
		}},
		"no mark": {result("/etc/passwd", `{"location":{"path":"/etc/shadow"},"properties":{"outside_root":false}}`), func(f *report.Finding) bool {
			return marked(f.Location) && f.Properties[outsideRoot] == true && f.Location.Path == "/etc/shadow"
		}},
		"a mark too few in a related location": {result("a", `{"related_locations":[{"path":"..\\x"}]}`), func(f *report.Finding) bool {
			return marked(f.RelatedLocations[0]) && !marked(f.Location)
		}},
		"a secret": {result("a", `{"type":"secret","location":{"snippet":"hunter2"},"properties":{"secret":"hunter2","sarif":{"result":"hunter2"}}}`), func(f *report.Finding) bool {
			b, err := json.Marshal(f)
			return err == nil && !strings.Contains(string(b), "hunter2") && f.Properties["withheld"] != nil
		}},
		"a long title": {result("a", `{"title":"`+strings.Repeat("t", 5000)+`"}`), func(f *report.Finding) bool { return len(f.Title) <= maxTitle }},
		"no severity": {result("a", `{"severity":"worst"}`), func(f *report.Finding) bool {
			return f.Severity == report.Medium && f.Properties[supplementName] != nil
		}},
		"no type":      {result("a", `{"type":null,"title":"x"}`), func(f *report.Finding) bool { return f.Type != "" && f.Title == "m" }},
		"a wrong type": {result("a", `{"location":5}`), func(f *report.Finding) bool { return f.Location != nil && f.Location.Path == "a" }},
		"no object":    {result("a", `"x"`), func(f *report.Finding) bool { return f.Properties[supplementName] == "x" }},
		"nothing":      {result("a", `{}`), func(f *report.Finding) bool { return f.Title == "m" && len(f.Properties) == 1 }},
	} {
		_, got, err := check(t, []byte(c.in), opt)
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		if !c.ok(got[0]) {
			b, _ := json.Marshal(got[0])
			t.Errorf("%s: %s", name, b)
		}
	}
	_, got, _ := check(t, []byte(result("a", `{"type":"secret"}`)), Options{Type: report.TypeCompliance})
	if got[0].Type != report.TypeCompliance {
		t.Errorf("the caller's type is %s", got[0].Type)
	}
}

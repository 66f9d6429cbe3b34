package sarif

import (
	"bytes"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rediverio/sdk/pkg/report"
)

// FuzzRoundTrip reads any input. Its findings must be the same after they were written and read again.
func FuzzRoundTrip(f *testing.F) {
	for _, b := range smallFiles(f) {
		f.Add(b)
	}
	f.Add([]byte(file(`{"ruleId":"a","message":{"text":"{{0} {0","arguments":["}"]},"locations":[null,{"physicalLocation":{"region":{"startLine":2,"snippet":{}}}}]}`)))
	f.Add([]byte(file(`{"ruleId":"a/b","rank":0,"level":"Error","kind":"notApplicable","suppressions":[{"status":"accepted"}],"properties":{"sarif":1,"rediver/finding":{"title":""}}}`)))
	f.Fuzz(func(t *testing.T, b []byte) { roundTrip(t, b, Options{Root: "/home/me/repo"}) })
}

// FuzzWriter writes any finding, such as one from another agent. Reading it must give the same finding, except for the
// fields that a reader does not accept from a file.
func FuzzWriter(f *testing.F) {
	golden, _ := filepath.Glob("testdata/*.golden.json")
	for _, name := range golden {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var all struct{ Findings []json.RawMessage }
		if err := json.Unmarshal(b, &all); err != nil {
			f.Fatal(err)
		}
		for _, raw := range all.Findings {
			f.Add([]byte(raw), "tool")
		}
	}
	f.Add([]byte(`{"type":"secret","title":"t","severity":"low","location":{"path":"..\\x","snippet":"hunter2"},"impact":"i","made_up":[null],"tags":["a","a"]}`), "gitleaks")
	f.Add([]byte(`{"type":"web3","title":"t","severity":"critical","rule_id":"r","message":"m","confidence":9,"references":["x","https://e.com"],"properties":{"outside_root":false,"withheld":1,"sarif":{"taxa":[5],"level":"x","message":7,"fingerprints":["k"],"locations":3}}}`), "")
	f.Add([]byte("{\"type\":\"x\",\"title\":\"t\",\"severity\":\"low\",\"stacks\":[\"\xdd\"],\"properties\":{\"sarif\":{\"suppressions\":[{\"kind\":\"\"}],\"graphs\":[\"\xdd\"]}}}"), "t")
	f.Fuzz(func(t *testing.T, b []byte, tool string) {
		var want report.Finding
		if json.Unmarshal(b, &want) != nil || (&report.Report{Findings: []*report.Finding{&want}}).Validate() != nil {
			t.Skip("no finding")
		}
		out := export(t, &report.Report{Tool: &report.Tool{Name: tool}}, []*report.Finding{&want})
		if !json.Valid(out) || !utf8.Valid(out) {
			t.Fatalf("no JSON: %s", out)
		}
		sum, got, err := check(t, out, Options{})
		if err != nil || sum.Findings != 1 || len(sum.Warnings) > 0 {
			t.Fatalf("%v %+v\n%s", err, sum, out)
		}
		own := stored(t, []*report.Finding{&want})[0]
		own.AssetRef = ""
		own.Title, own.Message = truncate(own.Title, maxTitle), truncate(own.Message, DefaultMaxMessageBytes)
		if own.Type == report.TypeSecret {
			withhold(own)
		}
		(&File{}).markAll(own)
		same(t, "finding", own, got[0])
	})
}

// FuzzPath resolves any URI. A path that leads out of the root or is absolute must be marked, and a path must survive
// its conversion to a URI.
func FuzzPath(f *testing.F) {
	for _, uri := range []string{
		"a/b.go", "../x", "%2e%2e/x", "..%5c..%5cx", "file:///repo/../etc", "file://localhost/repo/a b", `C:\x`, "file:///C:/x", "//h/s", "a:b", "./a:b",
		"a%00/%2e%2e/..", "https://e.com/a?b", "file:..", "%", "~", "\x01",
	} {
		f.Add(uri, "SRC")
		f.Add(uri, "FAR")
	}
	f.Fuzz(func(t *testing.T, uri, base string) {
		r := &run{bases: map[string]artifact{"SRC": {URI: "s/", BaseID: "ROOT"}, "ROOT": {URI: "file:///repo"}, "FAR": {URI: "file:///far"}}}
		file := &File{root: root{spellings: []string{"/repo"}}}
		p, outside := file.resolve(r, artifact{URI: text(uri), BaseID: text(base)})
		if hasScheme(p) {
			return
		}
		if climbs := p == ".." || strings.HasPrefix(p, "../") || isAbs(p); climbs != outside {
			t.Errorf("%q of %q: %q, outside %t", uri, base, p, outside)
		}
		if p != "" && path.Clean(p) != p && len(p) < maxURI {
			t.Errorf("%q of %q: %q is not clean", uri, base, p)
		}
		if bytes.ContainsAny([]byte(p), `\`) {
			t.Errorf("%q of %q: %q has backslashes", uri, base, p)
		}
		if len(p) >= maxURI {
			return // truncated
		}
		if back, out := file.resolve(r, artifact{URI: text(uriOf(p))}); back != p || out != outside {
			t.Errorf("%q, written as %q, is read as %q, outside %t and %t", p, uriOf(p), back, outside, out)
		}
	})
}

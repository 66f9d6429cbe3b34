package sarif

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// spot is the place of a result.
type spot struct {
	rule, file string // file: relative to the root, with slashes
	line       int
}

// found are the results of one scan. Two of them have the same rule and line.
var found = []spot{
	{"R1", "cmd/main.go", 10}, {"R1", "cmd/main.go", 20}, {"R2", "cmd/main.go", 10}, {"R1", "pkg/a b/x.go", 10},
	{"R2", "pkg/ü/y.go", 7}, {"R1", "top.go", 1}, {"R2", "100%.go", 3}, {"R1", "cmd/main.go", 10},
}

// scanned returns the SARIF file of a tool with these results. uri formats a path, and more is added to the run.
func scanned(tool string, found []spot, more string, uri func(file string) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"version":"2.1.0","runs":[{"results":[`)
	for i, p := range found {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"ruleId":%q,"message":{"text":"m"},"partialFingerprints":{"h":"%s-%s"},"locations":[{"physicalLocation":{"artifactLocation":%s,"region":{"startLine":%d}}}]}`,
			p.rule, p.rule, p.file, uri(p.file), p.line)
	}
	fmt.Fprintf(&b, `],"tool":{"driver":{"name":%q}}%s}]}`, tool, more)
	return b.String()
}

// fingerprinted returns the findings of a file by their fingerprints in a report.
func fingerprinted(t *testing.T, file string, opt Options) map[string]*report.Finding {
	t.Helper()
	_, got, err := check(t, []byte(file), opt)
	if err != nil {
		t.Fatal(err)
	}
	r := &report.Report{Metadata: report.Metadata{ID: "r"}, Findings: got}
	parts, _, err := part.Split(r, part.SplitConfig{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*report.Finding{}
	for _, p := range parts {
		pt, err := p.Report()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range pt.Findings {
			out[f.Fingerprint] = f
		}
	}
	if len(out) != len(got) {
		t.Errorf("%d findings have %d fingerprints", len(got), len(out))
	}
	return out
}

// TestFingerprintsAreStable reads files of the same code in other directories, with paths in other forms and with
// results in another order.
func TestFingerprintsAreStable(t *testing.T) {
	quoted := func(format string, escape func(string) string) func(string) string {
		return func(file string) string { return fmt.Sprintf(format, escape(file)) }
	}
	plain := func(file string) string { return strings.ReplaceAll(file, "%", "%25") }
	windows := func(file string) string { return strings.ReplaceAll(plain(file), "/", `\\`) }
	base := func(dir string) string { return fmt.Sprintf(`,"originalUriBaseIds":{"SRCROOT":{"uri":%q}}`, dir) }
	here, there := filepath.ToSlash(t.TempDir()), "/builds/team/app"
	byIndex := `,"artifacts":[`
	for i, p := range found {
		byIndex += fmt.Sprintf(`%s{"location":{"uri":%q}}`, strings.Repeat(",", min(i, 1)), escaped(p.file))
	}
	backwards := slices.Clone(found)
	slices.Reverse(backwards)

	want := fingerprinted(t, scanned("x", found, "", quoted(`{"uri":"%s"}`, escaped)), Options{})
	for name, c := range map[string]struct{ file, root string }{
		"absolute paths":                    {scanned("x", found, "", quoted(`{"uri":"`+there+`/%s"}`, plain)), there},
		"absolute paths, another directory": {scanned("x", found, "", quoted(`{"uri":"`+here+`/%s"}`, plain)), here},
		"file URIs":                         {scanned("x", found, "", quoted(`{"uri":"file://`+there+`/%s"}`, escaped)), there},
		"a base below the root":             {scanned("x", found, base("file://"+there+"/"), quoted(`{"uri":"%s","uriBaseId":"SRCROOT"}`, escaped)), there},
		"a base of another machine":         {scanned("x", found, base("file:///C:/agent/_work/1/s/"), quoted(`{"uri":"%s","uriBaseId":"SRCROOT"}`, escaped)), there},
		"an unknown base":                   {scanned("x", found, "", quoted(`{"uri":"%s","uriBaseId":"%%SRCROOT%%"}`, escaped)), here},
		"dots":                              {scanned("x", found, "", quoted(`{"uri":"./x/../%s"}`, escaped)), ""},
		"backslashes":                       {scanned("x", found, "", quoted(`{"uri":"%s"}`, windows)), ""},
		"escaped backslashes":               {scanned("x", found, "", quoted(`{"uri":"%s"}`, func(f string) string { return strings.ReplaceAll(escaped(f), "/", "%5C") })), there},
		"by index": {scanned("x", found, byIndex+"]", func(file string) string {
			return fmt.Sprintf(`{"index":%d}`, slices.IndexFunc(found, func(p spot) bool { return p.file == file }))
		}), here},
		"the other way round":      {scanned("x", backwards, "", quoted(`{"uri":"%s"}`, escaped)), ""},
		"another tool of its kind": {scanned("y", found, "", quoted(`{"uri":"%s"}`, escaped)), ""},
	} {
		got := fingerprinted(t, c.file, Options{Root: c.root})
		if !slices.Equal(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))) {
			t.Errorf("%s: other fingerprints", name)
			continue
		}
		for fp, w := range want {
			if g := got[fp]; g.RuleID != w.RuleID || g.Location.Path != w.Location.Path || g.Location.StartLine != w.Location.StartLine {
				t.Errorf("%s: %s was %s %+v, is %s %+v", name, fp, w.RuleID, w.Location, g.RuleID, g.Location)
			}
			if marked(got[fp].Location) {
				t.Errorf("%s: %s is outside", name, got[fp].Location.Path)
			}
		}
	}
}

// TestLinesThatMove checks the fingerprints after lines were added above a finding: they are unchanged for
// misconfigurations and packages, and code and secrets keep the scanner's own fingerprints.
func TestLinesThatMove(t *testing.T) {
	uri := func(file string) string { return fmt.Sprintf(`{"uri":%q}`, file) }
	at := func(rule string, line int) []spot { return []spot{{rule, "a.tf", line}} }
	for _, c := range []struct {
		tool, rule string
		same       bool
	}{{"gosec", "G101", false}, {"gitleaks", "aws-key", false}, {"tfsec", "aws-s3", true}} {
		before := fingerprinted(t, scanned(c.tool, at(c.rule, 10), "", uri), Options{})
		after := fingerprinted(t, scanned(c.tool, at(c.rule, 17), "", uri), Options{})
		for fp, f := range before {
			if _, same := after[fp]; same != c.same {
				t.Errorf("%s: the same fingerprint: %t", c.tool, same)
			}
			for _, g := range after {
				if f.PartialFingerprints["h"] == "" || f.PartialFingerprints["h"] != g.PartialFingerprints["h"] {
					t.Errorf("%s: %v, then %v", c.tool, f.PartialFingerprints, g.PartialFingerprints)
				}
			}
		}
	}
	cve := `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Trivy"}},"results":[{"ruleId":"CVE-2021-44228","message":{"text":"Package: log4j\nInstalled Version: 2.1\nFixed Version: 3"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"go.mod"},"region":{"startLine":%d}}}]}]}]}`
	before, after := fingerprinted(t, fmt.Sprintf(cve, 3), Options{}), fingerprinted(t, fmt.Sprintf(cve, 9), Options{})
	if !slices.Equal(slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(after))) {
		t.Error("a package has another fingerprint")
	}
}

package sarif

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/report"
)

func readTestdata(t *testing.T, name string, opt Options) (Summary, []*report.Finding) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	sum, got, err := check(t, b, opt)
	if err != nil {
		t.Fatal(err)
	}
	return sum, got
}

// TestGolden compares the findings of each file in testdata with a golden file. UPDATE=1 rewrites the golden files.
func TestGolden(t *testing.T) {
	for _, name := range []string{"messages", "secrets", "suppressed", "rich"} {
		opt := Options{Root: "/home/me/repo", AssetRef: "a1", AssetValue: "repo", AssetType: "repository"}
		sum, got := readTestdata(t, name+".sarif", opt)
		b, err := json.MarshalIndent(map[string]any{"summary": sum, "findings": got}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden := "testdata/" + name + ".golden.json"
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(golden, append(b, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(string(want)) != string(b) {
			t.Errorf("%s differs from %s; if it should, run with UPDATE=1 and read the difference", name, golden)
		}
	}
}

func TestMessages(t *testing.T) {
	_, got := readTestdata(t, "messages.sarif", Options{})
	var lines []string
	for _, f := range got {
		lines = append(lines, fmt.Sprintf("%s|%s|%s|%s", f.RuleID, f.Severity, f.Title, f.Message))
	}
	short := "A variable is used before it is set."
	want := []string{
		"M1|high|" + short + "|ptr is used in line 12.",
		"M1/sub|high|" + short + "|**bold**",
		"M1|high|" + short + "|literal A {x}",
		"P1|high|from the pack|from the pack",
		"none|medium|a plain string|a plain string",
		"M1|high|" + short + "|" + short,
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if l := got[0].Location; l.Path != "a b.c" || l.StartLine != 3 || l.EndLine != 3 || l.Snippet != "x = *ptr;" {
		t.Errorf("location %+v", l)
	}
}

func TestSuppressions(t *testing.T) {
	sum, got := readTestdata(t, "suppressed.sarif", Options{})
	if sum.Findings != 6 || sum.Suppressed != 2 {
		t.Errorf("%+v", sum)
	}
	for _, f := range got {
		if (f.Suppression != nil) != (f.RuleID == "suppressed") {
			t.Errorf("%s: suppression %+v", f.RuleID, f.Suppression)
		}
		_, kept := f.Properties["sarif"]
		if (f.RuleID == "rejected" || f.RuleID == "review") && !kept {
			t.Errorf("%s: its suppressions are lost", f.RuleID)
		}
	}
}

func TestSecretsAreNeverInClear(t *testing.T) {
	_, got := readTestdata(t, "secrets.sarif", Options{})
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "correct-horse") {
		t.Errorf("the secret is in the findings: %s", b)
	}
	red, clear := got[0], got[1]
	if red.Type != report.TypeSecret || red.Secret.MaskedValue != "REDACTED" || red.Location.Snippet != "REDACTED" {
		t.Errorf("redacted: %+v %+v", red.Secret, red.Location)
	}
	if red.Author != "Ann" || red.AuthorEmail != "ann@example.com" || red.Location.CommitSHA != "0123abcd" || red.CommitDate == "" {
		t.Errorf("commit: %+v", red)
	}
	if clear.Secret.MaskedValue != "" || clear.Properties["withheld"] == nil {
		t.Errorf("in clear: %+v %v", clear.Secret, clear.Properties)
	}
}

func TestNothingIsLost(t *testing.T) {
	sum, got := readTestdata(t, "rich.sarif", Options{Root: "/home/me/repo"})
	if sum.Findings != 4 || sum.Quarantined != 3 || sum.Unknown != 2 || !sum.Unsuccessful {
		t.Errorf("%+v", sum)
	}
	b, err := json.Marshal(got[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"6f1f", "77aa", "42.5", `"occurrence_count":3`, "unchanged", "tainted", "example.com/v/1", "example.com/i/1", "src/zero.go",
		"pkg.F", "/etc/passwd", `"outside_root":true`, `"text":"source"`, "threadFlows", "quote it", "frames", `{\"a\":[2.50],\"b\":1}`,
		"12345678901234567890", "CWE-79", "CWE-89", `"webRequest":{"method":"GET"}`, `"madeUp":[1]`, `"tool":"other"`, "critical",
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is lost in %s", want, b)
		}
	}
	if tool, ok := got[0].Properties["tool"]; ok {
		t.Errorf("finding of the first tool says %v", tool)
	}
	if tool := got[3].Properties["tool"]; tool != "second" {
		t.Errorf("finding of the second tool says %v", tool)
	}
	if p := got[1].Location.Path; p != "x/l.go" {
		t.Errorf("a circle of bases gives %q", p)
	}
	if f := got[2]; f.RuleID != "7" || f.Message != "wrong types" || f.Location != nil {
		t.Errorf("wrong types: %+v", f)
	}
	for _, f := range got {
		if f.Fingerprint != "" || f.ID != "" {
			t.Errorf("fingerprint %q and ID %q are not ours to set", f.Fingerprint, f.ID)
		}
	}
}

func TestKeysWithEscapes(t *testing.T) {
	_, got, err := check(t, []byte(file(`{"\u0072uleId":"A","odd\"key":1}`)), Options{})
	if err != nil || got[0].RuleID != "A" {
		t.Fatalf("%+v %v", got, err)
	}
	rest := got[0].Properties["sarif"].(map[string]any)
	if _, ok := rest[`odd"key`]; !ok || len(rest) != 1 {
		t.Errorf("rest %v", rest)
	}
}

func TestSeverity(t *testing.T) {
	for _, tc := range []struct {
		score, level, kind string
		want               report.Severity
	}{
		{"9.0", "note", "", report.Critical}, {"8.99", "", "", report.High}, {"4", "", "", report.Medium}, {"0.1", "error", "", report.Low},
		{"0", "error", "", report.High}, {"11", "note", "", report.Low}, {"-1", "warning", "", report.Medium}, {"NaN", "error", "", report.High},
		{"Inf", "error", "", report.High}, {"HIGH", "note", "", report.High}, {"moderate", "error", "", report.Medium}, {" ", "error", "fail", report.High},
		{"", "none", "", report.Info}, {"", "ERROR?", "", report.Medium}, {"9.8", "error", "pass", report.Info}, {"9.8", "none", "review", report.Critical},
	} {
		if got := severityOf(tc.score, tc.level, tc.kind, report.TypeVulnerability); got != tc.want {
			t.Errorf("severityOf(%q, %q, %q) = %s, want %s", tc.score, tc.level, tc.kind, got, tc.want)
		}
	}
}

func TestSecretIsHighByDefault(t *testing.T) {
	for _, tc := range []struct {
		score, level, kind string
		want               report.Severity
	}{{"", "", "", report.High}, {"", "warning", "", report.Medium}, {"2", "", "", report.Low}, {"", "", "pass", report.Info}} {
		if got := severityOf(tc.score, tc.level, tc.kind, report.TypeSecret); got != tc.want {
			t.Errorf("a secret with score %q, level %q, kind %q is %s, want %s", tc.score, tc.level, tc.kind, got, tc.want)
		}
	}
}

func TestPrecedenceOfLevels(t *testing.T) {
	const run = `{"version":"2.1.0","runs":[{"results":[{"ruleId":"A"},{"ruleId":"B"},{"ruleId":"C"},{"ruleId":"A","level":"error"},{"ruleId":"A","kind":"FAIL"},{"ruleId":"A","kind":"open"}],
	"tool":{"driver":{"name":"t","rules":[{"id":"A","defaultConfiguration":{"level":"error"}},{"id":"B","defaultConfiguration":{"level":"note"}},{"id":"C"}]}},
	"invocations":[{"executionSuccessful":true,"ruleConfigurationOverrides":[{"descriptor":{"index":0},"configuration":{"level":"note"}}]}]}]}`
	_, got, err := check(t, []byte(run), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []report.Severity{report.Low, report.Low, report.Medium, report.High, report.Low, report.Info}
	for i, f := range got {
		if f.Severity != want[i] {
			t.Errorf("result %d: %s, want %s", i, f.Severity, want[i])
		}
	}
}

func TestFindRule(t *testing.T) {
	const in = `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"t","rules":[{"id":"A","name":"a"},{"id":"B","name":"b"},{"broken":"\u0001"}]},
	 "extensions":[{"name":"x","rules":[{"id":"X","name":"x"}]}]},
	 "results":[{"ruleId":"B","ruleIndex":0},{"ruleId":"A/1/2"},{"ruleIndex":1},{"ruleIndex":-1},{"ruleIndex":9},{"ruleIndex":2},{"rule":{"index":0,"toolComponent":{"name":"x"}}},
	 {"rule":{"id":"X"}},{"ruleId":"/"},{"ruleId":"A","rule":{"index":1e300}}]}]}`
	_, got, err := check(t, []byte(in), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range got {
		names = append(names, f.RuleName)
	}
	if want := []string{"b", "a", "b", "", "", "", "x", "x", "", "a"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}

func TestTypes(t *testing.T) {
	for tool, want := range map[string]string{
		"gitleaks": report.TypeSecret, "GitLeaks": report.TypeSecret, "checkov": report.TypeMisconfiguration, "KICS": report.TypeMisconfiguration,
		"Semgrep OSS": report.TypeVulnerability, "": report.TypeVulnerability, "Trivy": report.TypeVulnerability,
	} {
		if got := typeOf(tool, nil); got != want {
			t.Errorf("%q: %s, want %s", tool, got, want)
		}
	}
	if typeOf("Trivy", []string{"secret"}) != report.TypeSecret || typeOf("Trivy", []string{"misconfiguration"}) != report.TypeMisconfiguration {
		t.Error("the tags of trivy do not say the type")
	}
	_, got, err := check(t, []byte(one), Options{Type: report.TypeCompliance})
	if err != nil || got[0].Type != report.TypeCompliance {
		t.Errorf("Options.Type is not used: %v", err)
	}
}

func TestVulnerabilityOfAPackage(t *testing.T) {
	const in = `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Trivy","rules":[{"id":"CVE-2024-1234","properties":{"security-severity":"5.5","tags":["CWE-79: x","external/cwe/cwe-079","cwe: 20"]}}]}},
	"results":[{"ruleId":"CVE-2024-1234","message":{"text":"Package: libx\nInstalled Version: 1.0\nVulnerability CVE-2024-1234\nFixed Version: 1.1\nLink: y"}}]}]}`
	_, got, err := check(t, []byte(in), Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := got[0].Vulnerability
	if v.CVEID != "CVE-2024-1234" || v.CVSSScore != 5.5 || v.Package != "libx" || v.AffectedVersion != "1.0" || v.FixedVersion != "1.1" {
		t.Errorf("%+v", v)
	}
	if !slices.Equal(v.CWEIDs, []string{"CWE-79", "CWE-20"}) {
		t.Errorf("%q", v.CWEIDs)
	}
}

func TestFillIsBounded(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"{0}{1}", "ab"}, {"{2} {-1} {x} { } {", "{2} {-1} {x} { } {"}, {"}}{{0}}", "}{0}"}, {"a}b{00}", "a}ba"},
	} {
		if got := fill(tc.in, []text{"a", "b"}, 100); got != tc.want {
			t.Errorf("fill(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
	big := text(strings.Repeat("x", 1000))
	if n := len(fill(strings.Repeat("{0}", 100_000), []text{big}, 5000)); n > 6000 {
		t.Errorf("%d bytes, bound 5000", n)
	}
}

package sarif

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/report"
)

// survivesDoc is the page with the table of mappings.
const survivesDoc = "../../../docs/format/sarif.md"

// resultMembers are all members of a result in SARIF 2.1.0.
var resultMembers = strings.Fields(`ruleId ruleIndex rule kind level message analysisTarget locations guid correlationGuid
	occurrenceCount partialFingerprints fingerprints stacks codeFlows graphs graphTraversals relatedLocations suppressions
	baselineState rank attachments hostedViewerUri workItemUris provenance fixes taxa webRequest webResponse properties`)

// pick returns the value at a path such as "locations[0].id", or nil.
func pick(v any, path string) any {
	for _, step := range strings.Split(path, ".") {
		name, index, list := strings.Cut(step, "[")
		object, _ := v.(map[string]any)
		v = object[name]
		if list {
			all, _ := v.([]any)
			i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
			if err != nil || i >= len(all) {
				return nil
			}
			v = all[i]
		}
	}
	return v
}

// decodeAny returns v after a round trip through JSON.
func decodeAny(t *testing.T, v any) (out any) {
	t.Helper()
	b, ok := v.([]byte)
	if !ok {
		var err error
		if b, err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// inLog returns the path in a SARIF file of one result that a path of the table stands for.
func inLog(log any, path string) any {
	run := pick(log, "runs[0]")
	if rest, ok := strings.CutPrefix(path, "run."); ok {
		return pick(run, rest)
	}
	result := pick(run, "results[0]")
	if rest, ok := strings.CutPrefix(path, "rule."); ok {
		index, _ := pick(result, "ruleIndex").(float64)
		return pick(run, "tool.driver.rules["+strconv.Itoa(int(index))+"]."+rest)
	}
	return pick(result, path)
}

// headOf returns the head of a run's report, as package scan makes it.
func headOf(r Run) *report.Report {
	head := &report.Report{Tool: &r.Tool}
	head.Metadata.Timestamp, head.Metadata.CoverageType = r.EndTime, report.CoverageFull
	if v := r.VersionControl; v != nil {
		head.Metadata.Branch = &report.Branch{Name: v.Branch, CommitSHA: v.Revision, RepositoryURL: v.RepositoryURL}
	}
	return head
}

// TestWhatSurvives checks each row of the table against a file with all members: the member is in the finding, and in the
// export it is unchanged unless it is resolved. The page must list all members of a result.
func TestWhatSurvives(t *testing.T) {
	in, err := os.ReadFile("testdata/survives.sarif")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(in), Options{Root: "/home/me/repo"})
	if err != nil {
		t.Fatal(err)
	}
	var findings []*report.Finding
	if _, err := f.Findings(func(fd *report.Finding) error { findings = append(findings, fd); return nil }); err != nil {
		t.Fatal(err)
	}
	head := headOf(f.Runs()[0])
	before, after := decodeAny(t, in), decodeAny(t, export(t, head, findings))
	finding, whole := decodeAny(t, findings[0]), decodeAny(t, head)

	page, err := os.ReadFile(survivesDoc)
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([^`]+)` \\| `([^`]+)` \\|(.*)\\|$").FindAllStringSubmatch(string(page), -1)
	if len(rows) < 50 {
		t.Fatalf("%d rows: does the test still know one when it sees it?", len(rows))
	}
	for _, row := range rows {
		from, at, to, note := row[1], row[2], row[3], row[4]
		was, is := inLog(before, from), inLog(after, to)
		kept := pick(finding, at)
		if rest, ok := strings.CutPrefix(at, "report."); ok {
			kept = pick(whole, rest)
		}
		switch {
		case was == nil:
			t.Errorf("%s: the file has none", from)
		case kept == nil:
			t.Errorf("%s: the finding has no %s", from, at)
		case is == nil:
			t.Errorf("%s: the export has no %s", from, to)
		case !strings.Contains(note, "resolved") && !reflect.DeepEqual(was, is):
			t.Errorf("%s was %v, %s is %v", from, was, to, is)
		}
	}
	for _, name := range resultMembers {
		if !regexp.MustCompile("`" + name + "[`.\\[]").Match(page) {
			t.Errorf("the page has no row for %s", name)
		}
	}
}

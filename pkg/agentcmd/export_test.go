package agentcmd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// fixtures are SARIF files with what the format has to offer.
func fixtures(t *testing.T) (paths []string) {
	t.Helper()
	root, err := filepath.Abs(repoRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range append([]string{filepath.Join(root, "pkg", "report", "sarif", "testdata")}, filepath.SplitList(os.Getenv("SARIF_CORPUS"))...) {
		found, err := filepath.Glob(filepath.Join(dir, "*.sarif"))
		if err != nil || len(found) == 0 {
			t.Fatal(dir, found, err)
		}
		paths = append(paths, found...)
	}
	return paths
}

// byFingerprint returns the findings of a store as their reports had them.
func byFingerprint(t *testing.T, h *home) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, f := range h.found() {
		finding := f["finding"].(map[string]any)
		out[f["fingerprint"].(string)] = finding
	}
	return out
}

// tools are those that a store has findings of.
func tools(h *home) (names []string) {
	for _, f := range h.found() {
		if tool := f["tool"].(string); !slices.Contains(names, tool) {
			names = append(names, tool)
		}
	}
	return names
}

// A scanner's output goes through the chunk store, an upload and the ingest store, out as SARIF, and through all of it
// again into another store, and is the same. SARIF_CORPUS=dir[:dir…] are more files to try.
func TestExportedFindingsAreTheSame(t *testing.T) {
	t.Parallel()
	for _, path := range fixtures(t) {
		t.Run(filepath.Base(path), func(t *testing.T) { exportAgain(t, path) })
	}
}

func exportAgain(t *testing.T, path string) {
	first, second := newHome(t), newHome(t)
	args := []string{"import", "--asset", "https://example.com/app.git", "--root", "/home/me/repo"}
	first.run(append(args, path)...).want(ExitOK)
	before := byFingerprint(t, first)

	exported := first.run("findings", "-o", "sarif").want(ExitOK).out
	if again := first.run("findings", "-o", "sarif").want(ExitOK).out; again != exported {
		t.Error("the same findings are exported in other words")
	}
	dir := t.TempDir()
	for i, tool := range tools(first) { // in a file of several, the findings of all but the first say of which they are
		args = append(args, filepath.Join(dir, fmt.Sprintf("%d.sarif", i)))
		write(t, args[len(args)-1], first.run("findings", "-o", "sarif", "--tool", tool).want(ExitOK).out)
	}
	if len(before) == 0 {
		return
	}
	second.run(args...).want(ExitOK)
	after := byFingerprint(t, second)
	for fp, want := range before {
		if got := after[fp]; !reflect.DeepEqual(want, got) {
			a, _ := json.Marshal(want)
			b, _ := json.Marshal(got)
			t.Errorf("was\n%s\nis\n%s", a, b)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d findings, then %d", len(before), len(after))
	}
}

func TestExportHasARunForEachTool(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	runs := func(args ...string) (names []string, counts []int) {
		var log struct {
			Runs []struct {
				Tool    struct{ Driver struct{ Name string } }
				Results []json.RawMessage
			}
		}
		h.run(append([]string{"findings", "-o", "sarif"}, args...)...).want(ExitOK).decode(&log)
		for _, r := range log.Runs {
			names, counts = append(names, r.Tool.Driver.Name), append(counts, len(r.Results))
		}
		return names, counts
	}
	if names, counts := runs(); !reflect.DeepEqual(names, []string{"example-agent"}) || counts[0] != 0 {
		t.Errorf("nothing: %v %v", names, counts)
	}
	dir := files(t, map[string]string{"a.sarif": results(6), "b.sarif": strings.ReplaceAll(results(3), "handmade", "other")})
	h.run("import", filepath.Join(dir, "a.sarif"), filepath.Join(dir, "b.sarif")).want(ExitOK)
	names, counts := runs()
	if len(names) != 2 || counts[0]+counts[1] != 9 {
		t.Errorf("both: %v %v", names, counts)
	}
	if names, counts := runs("--tool", "other"); !reflect.DeepEqual(names, []string{"other"}) || counts[0] != 3 {
		t.Errorf("one tool: %v %v", names, counts)
	}
	_, counts = runs("--limit", "4")
	sum := 0
	for _, n := range counts {
		sum += n
	}
	if sum != 4 {
		t.Errorf("limit: %v", counts)
	}
	h.run("status", "-o", "sarif").want(ExitUsage, "only findings")
}

// A suppressed finding is there, says that it is suppressed, and fails nothing.
func TestSuppressedFindingsDoNotFail(t *testing.T) {
	t.Parallel()
	result := func(rule, status string) string {
		return fmt.Sprintf(`{"ruleId":%q,"level":"error","message":{"text":"m"},"suppressions":[{"kind":"inSource","status":%q}]}`, rule, status)
	}
	dir := files(t, map[string]string{
		"quiet.sarif": document(result("a", "accepted") + "," + result("b", "accepted")),
		"loud.sarif":  document(result("a", "accepted") + "," + result("b", "rejected")),
	})
	h := newHome(t)
	h.run("import", "--fail-on", "high", filepath.Join(dir, "quiet.sarif")).want(ExitOK, "(2 of them suppressed)", "(suppressed) m")
	h.run("findings").want(ExitOK, "(suppressed) m", "2 findings")
	s := h.run("import", "-o", "json", "--fail-on", "high", filepath.Join(dir, "loud.sarif")).want(ExitFindings).summary()
	if s.Findings != 2 || s.Suppressed != 1 || s.Severities["high"] != 2 {
		t.Errorf("%+v", s)
	}
}

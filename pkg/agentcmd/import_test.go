package agentcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// files writes SARIF files and returns their directory.
func files(t *testing.T, content map[string]string) (dir string) {
	dir = t.TempDir()
	for name, text := range content {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

// Every result of every file is a finding or is quarantined with a reason; a file that is
// none fails by itself.
func TestImportAccountsForEveryResult(t *testing.T) {
	good := `{"ruleId":"a","level":"error","message":{"text":"m"}}`
	for _, c := range []struct {
		name, text                     string
		results, findings, quarantined int
		partial                        bool
		fails                          string // the reason
	}{
		{name: "plain", text: results(12), results: 12, findings: 12},
		{name: "no-results", text: document("")},
		{name: "bom", text: "\xef\xbb\xbf" + results(3), results: 3, findings: 3},
		{name: "utf16", text: utf16(results(3)), results: 3, findings: 3},
		{name: "wrong-types", text: document(good + `,5,"x",null,[1],` + good[:len(good)-1] + `,"locations":7}`), results: 6, findings: 2, quarantined: 4, partial: true},
		{name: "deep", text: document(strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "," + good), results: 2, findings: 1, quarantined: 1, partial: true},
		{name: "huge-message", text: document(`{"ruleId":"b","message":{"text":"` + strings.Repeat("m", 5_000_000) + `"}},` + good), results: 2, findings: 1, quarantined: 1, partial: true},
		{name: "truncated", text: results(10)[:1500], results: 9, findings: 8, quarantined: 1, partial: true},
		{name: "empty", text: "", fails: "the file is empty"},
		{name: "no-sarif", text: "hello, I am a log", fails: "no JSON object"},
		{name: "other-json", text: `{"a":1}`, fails: "sarif: "},
		{name: "version-1", text: `{"version":"1.0.0","runs":[]}`, fails: `version "1.0.0", want 2.1.0`},
		{name: "version-2.0", text: `{"version":"2.0.0","runs":[]}`, fails: `version "2.0.0", want 2.1.0`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := files(t, map[string]string{"bad.sarif": c.text, "good.sarif": results(2)})
			code := ExitOK
			if c.fails != "" {
				code = ExitRuntime
			}
			h := newHome(t)
			s := h.run("import", "-o", "json", filepath.Join(dir, "bad.sarif"), filepath.Join(dir, "good.sarif")).want(code).summary()
			if len(s.Jobs) != 2 || s.Jobs[1].Error != "" || s.Jobs[1].Findings != 2 {
				t.Fatalf("the good file of the same command: %+v", s.Jobs)
			}
			j := s.Jobs[0]
			if c.fails != "" && !strings.Contains(j.Error, c.fails) || c.fails == "" && j.Error != "" {
				t.Errorf("error %q, want %q", j.Error, c.fails)
			}
			if j.Results != c.results || j.Findings != c.findings || j.Quarantined != c.quarantined || len(j.Rejected) != c.quarantined || j.Partial != c.partial {
				t.Errorf("got %+v", j)
			}
			// The two reports may have findings of one fingerprint, so what arrived is new or known.
			if s.Created+s.Updated != c.findings+2 || s.Left != 0 || s.Dead != 0 {
				t.Errorf("uploads: %+v", s)
			}
			if got := len(h.found()); got != s.Created {
				t.Errorf("%d findings in the store, %d were new", got, s.Created)
			}
		})
	}
}

func TestImportAgainAddsNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(files(t, map[string]string{"a.sarif": results(20)}), "a.sarif")
	h := newHome(t)
	first := h.run("import", "-o", "json", file).want(ExitOK).summary()
	if first.Created != 20 || first.Parts != 1 || first.BytesRaw == 0 || first.BytesStored == 0 || first.BytesSent < first.BytesStored {
		t.Errorf("first: %+v", first)
	}
	before := h.found()
	second := h.run("import", "-o", "json", file).want(ExitOK).summary()
	if second.Created != 0 || second.Jobs[0].Findings != 20 {
		t.Errorf("second: %+v", second)
	}
	if after := h.found(); len(before) != 20 || len(after) != 20 {
		t.Errorf("%d findings, then %d", len(before), len(after))
	}
	if st := h.stats(); st.Findings != 20 || st.Reports != 1 || st.Duplicates != 0 {
		t.Errorf("store: %+v", st)
	}
}

func TestImportReadsStandardInput(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := h.pipe(results(5), "import", "-o", "json", "-", "--asset", "https://example.com/app.git").want(ExitOK).summary()
	if s.Findings != 5 || s.Created != 5 || s.Jobs[0].Target != "-" {
		t.Errorf("%+v", s)
	}
	left, err := filepath.Glob(filepath.Join(h.state, "stdin-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	h.pipe("", "import", "-").want(ExitRuntime, "the file is empty")
	write(t, h.config, plainConfig+"scan: {max_output_bytes: 100}\n")
	h.pipe(results(5), "import", "-").want(ExitRuntime, "standard input: over scan.max_output_bytes, 100 bytes")
}

// A file that cannot be opened fails as a job does: the others are imported, and the JSON is whole.
func TestImportOfMissingFiles(t *testing.T) {
	t.Parallel()
	dir := files(t, map[string]string{"good.sarif": results(2)})
	s := newHome(t).run("import", "-o", "json", filepath.Join(dir, "none.sarif"), dir, filepath.Join(dir, "good.sarif")).want(ExitRuntime).summary()
	if len(s.Jobs) != 3 || !strings.Contains(s.Jobs[0].Error, "no such file") || !strings.Contains(s.Jobs[1].Error, "not a regular file") || s.Created != 2 {
		t.Errorf("%+v", s)
	}
}

func TestFailOn(t *testing.T) {
	t.Parallel()
	file := filepath.Join(files(t, map[string]string{"a.sarif": document(`{"ruleId":"a","level":"warning","message":{"text":"m"}}`)}), "a.sarif")
	h := newHome(t)
	for _, c := range []struct {
		level string
		code  int
	}{{"critical", ExitOK}, {"high", ExitOK}, {"medium", ExitFindings}, {"info", ExitFindings}, {"terrible", ExitUsage}} {
		h.run("import", "--fail-on", c.level, file).want(c.code)
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for _, args := range [][]string{
		{"import"}, {"scan"}, {"nonsense"}, {"import", "--nonsense", "x"}, {"import", "--wait", "-1s", "x"}, {"findings", "-o", "xml"},
		{"scan", "--scanner", "gitleeks", "."}, {"ingest"}, {"queue", "show"}, {"findings", "--severity", "dire"},
	} {
		h.run(args...).want(ExitUsage, "example-agent: ")
	}
	h.run("scan", "--scanner", "gitleeks", ".").want(ExitUsage, `did you mean "gitleaks"?`)
	if _, err := os.Stat(h.state); !os.IsNotExist(err) {
		t.Errorf("a wrong command line leaves a state directory: %v", err)
	}
}

// Programs read these: one JSON array, [] when there is nothing.
func TestEmptyLists(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for _, args := range [][]string{{"findings", "-o", "json"}, {"queue", "list", "-o", "json"}} {
		if r := h.run(args...).want(ExitOK); strings.TrimSpace(r.out) != "[]" {
			t.Errorf("%v prints %q", args, r.out)
		}
	}
	h.run("findings").want(ExitOK, "no findings")
	h.run("queue", "list").want(ExitOK, "the queue is empty")
	h.run("queue", "show", "nothing").want(ExitRuntime, "nothing")
}

func TestFindingsAreFiltered(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.pipe(results(9), "import", "-").want(ExitOK, "Findings   9", "9 new findings")
	for _, c := range []struct {
		args []string
		want int
	}{
		{nil, 9}, {[]string{"--severity", "high"}, 3}, {[]string{"--severity", "high,medium"}, 6}, {[]string{"--min-severity", "medium"}, 6},
		{[]string{"--tool", "handmade"}, 9}, {[]string{"--tool", "other"}, 0}, {[]string{"--path", "src/file1"}, 1}, {[]string{"--rule", "rule-0"}, 2},
		{[]string{"--limit", "4"}, 4}, {[]string{"--tenant", "other"}, 0},
	} {
		if got := h.found(c.args...); len(got) != c.want {
			t.Errorf("%v: %d findings, want %d", c.args, len(got), c.want)
		}
	}
	h.run("findings", "--limit", "2").want(ExitOK, "SEVERITY", "src/file6.go:7", "2 findings")
}

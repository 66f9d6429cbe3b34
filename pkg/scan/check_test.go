package scan_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// shell is a scanner in shell: it finds the word eval, and fails for a target that does not exist.
func shell(t *testing.T, body string) scan.Definition {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	path := filepath.Join(t.TempDir(), "shell-scanner")
	text := "#!/bin/sh\nreport() { printf '{\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{\"name\":\"sh\"}},\"results\":[%s]}]}' \"$1\"; }\n" + body
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return scan.Definition{
		Name: "shell", Command: path, Args: []string{"{target}"}, Stdout: true, Sample: "javascript",
		ExitCodes: scan.ExitCodes{Findings: []int{3}}, MissingTarget: scan.MissingError, VersionArgs: []string{"version"},
	}
}

const honest = `
[ "$1" = version ] && echo shell 1.2.3 && exit
[ -d "$1" ] || exit 9
if grep -rq 'eval(' "$1"; then report '{"message":{"text":"eval"}}'; exit 3; fi
report ''
`

func TestCheck(t *testing.T) {
	b := newBench(t, scan.Config{}, shell(t, honest))
	c := b.Check(t.Context(), "shell")
	if !c.OK() || c.Version != "1.2.3" || len(c.Trials) != 3 {
		t.Fatalf("got %+v", c)
	}
	for i, want := range []string{"clean clean 0", "flawed findings 3", "missing target error 9"} {
		trial := c.Trials[i]
		got := strings.Join([]string{trial.Name, trial.Verdict, string(rune('0' + trial.Process().ExitCode))}, " ")
		if got != want || trial.Took <= 0 {
			t.Errorf("trial %d: got %q, want %q", i, got, want)
		}
	}
	if got := b.sink.types(); got != "" {
		t.Errorf("somebody hears of a check: %s", got)
	}
	b.clean(t)
}

// A scanner that does not do as it must is told apart, whichever way it fails.
func TestCheckFindsBadScanners(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		want [3]string // the verdicts
	}{
		"blind":             {"report ''", [3]string{"clean", "clean", "clean"}},
		"finds always":      {"report '{\"message\":{\"text\":\"x\"}}'; exit 3", [3]string{"findings", "findings", "findings"}},
		"broken":            {"echo no rules >&2; exit 1", [3]string{"error", "error", "error"}},
		"half a report":     {`printf '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"sh"}},"results":['`, [3]string{"error", "error", "error"}},
		"announces nothing": {"report ''; exit 3", [3]string{"error", "error", "error"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, scan.Config{}, shell(t, tt.body))
			c := b.Check(t.Context(), "shell")
			if c.OK() || len(c.Trials) != 3 {
				t.Fatalf("got %+v", c)
			}
			for i, want := range tt.want {
				if c.Trials[i].Verdict != want || (want == "error") != (c.Trials[i].Err != nil) {
					t.Errorf("%s: got %s (%v), want %s", c.Trials[i].Name, c.Trials[i].Verdict, c.Trials[i].Err, want)
				}
			}
		})
	}
	b := newBench(t, scan.Config{}, scan.Custom("gone", "no-such-scanner-anywhere"))
	for _, name := range []string{"gone", "unknown"} {
		if c := b.Check(t.Context(), name); c.OK() || c.Err == nil || len(c.Trials) > 0 {
			t.Errorf("%s: got %+v", name, c)
		}
	}
}

// Every kind of sample has a flaw, and does not hold it when it is clean.
func TestSampleKinds(t *testing.T) {
	for _, kind := range scan.SampleKinds() {
		d := shell(t, `[ -d "$1" ] || exit 9; cat "$1"/* >> "$ALL"; report ''`)
		all := filepath.Join(t.TempDir(), "all")
		d.Sample, d.Env = kind, []string{"ALL=" + all}
		c := newBench(t, scan.Config{}, d).Check(t.Context(), "shell")
		text, err := os.ReadFile(all)
		if len(c.Trials) != 3 || err != nil || len(text) < 40 {
			t.Errorf("%s: %+v, %v", kind, c, err)
		}
	}
}

// A target that is gone when the scanner has ended was perhaps never scanned: nothing found resolves nothing.
func TestTargetGoesAway(t *testing.T) {
	b := newBench(t, scan.Config{}, shell(t, `rm -r "$1"; report ''`))
	b.target = filepath.Join(b.target, "gone")
	if err := os.Mkdir(b.target, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.target, "a.go"), []byte("package a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	res, err := b.Scan(t.Context(), scan.Request{Scanner: "shell", Target: b.target}, b.rec.Open)
	if err != nil || !res.Partial || b.rec.Report.Metadata.CoverageType == report.CoverageFull {
		t.Errorf("got %+v, %v", res, err)
	}
}

// A target whose .git/config has git run a program does not get it run by a scanner that calls git there.
func TestGitOfTheTargetRunsNothing(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip(err)
	}
	d := shell(t, `cd "$1" && "$GIT" ls-files > /dev/null || exit 9; report ''`)
	d.Env = []string{"GIT=" + git}
	for _, allowed := range []bool{false, true} {
		cfg := scan.Config{}
		if allowed {
			cfg.AllowTargetConfig = []string{"shell"}
		}
		b, ran := newBench(t, cfg, d), filepath.Join(t.TempDir(), "ran")
		for _, args := range [][]string{{"init", "-q"}, {"config", "core.fsmonitor", "touch " + ran + "; false"}} {
			if out, err := exec.Command(git, append([]string{"-C", b.target}, args...)...).CombinedOutput(); err != nil {
				t.Skipf("%v: %s", err, out)
			}
		}
		if _, err := b.Scan(t.Context(), scan.Request{Scanner: "shell", Target: b.target}, b.rec.Open); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(ran); (err == nil) != allowed {
			t.Errorf("the target may configure its scanner: %v; its program ran: %v", allowed, err == nil)
		}
	}
}

// What a runner is told about offline, isolation and caches reaches the scanner.
func TestSettingsReachTheScanner(t *testing.T) {
	d := shell(t, `echo "$PWD $* $MODE" >> "$CACHE/said"; report ''`)
	d.Args = []string{"{isolation}", "{offline}", "{target}"}
	d.Isolation, d.Offline = scan.Flags{Args: []string{"--closed"}}, scan.Flags{Args: []string{"--offline"}, Env: []string{"MODE=off"}}
	d.Env = []string{"CACHE={cache}", "MODE=on"}
	caches := t.TempDir()
	var properties report.Properties
	say := func(cfg scan.Config) string {
		t.Helper()
		cfg.CacheDir = caches
		b := newBench(t, cfg, d)
		if _, err := b.Scan(t.Context(), scan.Request{Scanner: "shell", Target: b.target}, b.rec.Open); err != nil {
			t.Fatal(err)
		}
		properties = b.rec.Report.Metadata.Properties
		text, err := os.ReadFile(filepath.Join(caches, "shell", "said"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n") // the cache lasts
		target, err := filepath.EvalSymlinks(b.target)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(lines[len(lines)-1], target, "T")
	}
	if got := say(scan.Config{}); !strings.HasSuffix(got, "/work --closed T on") {
		t.Errorf("by default: %q", got)
	}
	if got := say(scan.Config{Offline: true}); !strings.HasSuffix(got, "/work --closed --offline T off") {
		t.Errorf("offline: %q", got)
	}
	if got := fmt.Sprint(properties["arguments"], properties["target_config"]); got != "[--closed --offline {target}] <nil>" {
		t.Errorf("the report says %s", got)
	}
	if got := say(scan.Config{AllowTargetConfig: []string{"shell"}}); got != "T T on" {
		t.Errorf("with the target's configuration, which is looked up where it runs: %q", got)
	}
	if got := fmt.Sprint(properties["arguments"], properties["target_config"]); got != "[{target}] true" {
		t.Errorf("the report says %s", got)
	}
	table, err := scan.NewTable(d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := scan.NewRunner(scan.Config{Table: table, AllowTargetConfig: []string{"shel"}}); err == nil || !strings.Contains(err.Error(), `"shel"`) {
		t.Errorf("an unknown scanner is allowed: %v", err)
	}
}

func TestTargetIsRefused(t *testing.T) {
	d := scantest.Definition(t)
	d.RefusedBy = []string{".run.yaml"}
	for _, allowed := range []bool{false, true} {
		cfg := scan.Config{}
		if allowed {
			cfg.AllowTargetConfig = []string{d.Name}
		}
		b := newBench(t, cfg, d)
		if err := os.WriteFile(filepath.Join(b.target, ".run.yaml"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := b.scan(t.Context())
		var se *scan.Error
		if allowed && err != nil || !allowed && (!errors.As(err, &se) || se.Cause != scan.CauseTarget || se.Process != nil) {
			t.Errorf("allowed %v: got %v", allowed, err)
		}
	}
}

func TestDatabaseTime(t *testing.T) {
	for name, tt := range map[string]struct {
		prints, key string
		want        time.Time
	}{
		"grype": {`{"schemaVersion":"v6.1.0","from":"https://x/y_2025-01-01T00:00:00Z.tar","built":"2026-11-20T04:05:06Z","valid":true}`, "built",
			time.Date(2026, 11, 20, 4, 5, 6, 0, time.UTC)},
		"trivy": {`{"Version":"0.60","VulnerabilityDB":{"Version":2,"NextUpdate":"2026-11-21T00:00:00Z","UpdatedAt":"2026-11-19T18:00:01.123456789Z"}}`, "UpdatedAt",
			time.Date(2026, 11, 19, 18, 0, 1, 123456789, time.UTC)},
		"text":       {"Built: 2026-11-20 04:05:06 +0100 CET", "", time.Date(2026, 11, 20, 3, 5, 6, 0, time.UTC)},
		"no zone":    {"of 2026-11-20T04:05:06", "", time.Date(2026, 11, 20, 4, 5, 6, 0, time.UTC)},
		"none":       {"No database.", "", time.Time{}},
		"not behind": {"2026-11-20T04:05:06Z built", "built", time.Time{}},
		"no date":    {"built 2026-99-20T04:05:06Z", "built", time.Time{}},
	} {
		d := shell(t, `[ "$1" = db ] && printf '%s\n' '`+tt.prints+`' && exit; report ''`)
		d.Database = scan.Database{Args: []string{"db"}, Key: tt.key}
		got, err := newBench(t, scan.Config{}, d).DatabaseTime(t.Context(), "shell")
		if !got.Equal(tt.want) || (err == nil) == tt.want.IsZero() {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	d := shell(t, "report ''")
	if _, err := newBench(t, scan.Config{}, d).DatabaseTime(t.Context(), "shell"); !errors.Is(err, scan.ErrNoDatabase) {
		t.Errorf("without a database: %v", err)
	}
	caches := t.TempDir()
	d.Database = scan.Database{File: "{cache}/*/all.zip"}
	d.Env = []string{"CACHE={cache}"}
	b := newBench(t, scan.Config{CacheDir: caches}, d)
	if got, err := b.DatabaseTime(t.Context(), "shell"); err == nil {
		t.Errorf("no file: %v", got)
	}
	old := time.Now().Add(-48 * time.Hour).Truncate(time.Second)
	for i, eco := range []string{"npm", "go"} {
		path := filepath.Join(caches, "shell", eco, "all.zip")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		if at := old.Add(time.Duration(i) * time.Hour); os.Chtimes(path, at, at) != nil {
			t.Fatal("no times")
		}
	}
	if got, err := b.DatabaseTime(t.Context(), "shell"); err != nil || !got.Equal(old) {
		t.Errorf("got %v, %v, want the oldest: %v", got, err, old)
	}
}

package agentcmd

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/rediverio/sdk/internal/proc"
)

var real = flag.Bool("real", false, "run the scanners in ./bin for real: make scanners")

// realTarget is the source of a module or package at its pinned version.
func realTarget(t *testing.T, from, name string) string {
	t.Helper()
	if from == "npm" {
		path, err := filepath.Abs(filepath.Join(repoRoot, "bin", "npm", "node_modules", name))
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", name)
	cmd.Dir = filepath.Join(repoRoot, from)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("source of %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

// realScan is a scanner by itself, as its own documentation has it: nothing here comes from our definitions.
type realScan struct {
	scanner string
	from    string // the module that pins the target, or npm
	target  string
	args    []string // OUT is the file of the SARIF, TARGET the target, BIN the directory of programs
	out     bool     // the SARIF goes to OUT, not to standard output
	inside  bool     // it runs in the target
}

// The configurations that the definitions give gitleaks and eslint, for a fair comparison.
const (
	realGitleaks = "[extend]\nuseDefault = true\n"
	realEslint   = `module.exports = [{files: ["**/*.js", "**/*.cjs", "**/*.mjs", "**/*.jsx"],
languageOptions: {parserOptions: {ecmaFeatures: {jsx: true}}}, rules: {"no-eval": 2, "no-implied-eval": 2, "no-new-func": 2,
"no-script-url": 2, "no-caller": 1, "no-extend-native": 1, "no-control-regex": 1, "no-misleading-character-class": 1,
"no-unsafe-finally": 1, "no-self-compare": 1, "no-prototype-builtins": 1, "require-atomic-updates": 1}}];`
)

var realScans = []realScan{
	{"gitleaks", "tools", "github.com/zricethezav/gitleaks/v8", []string{"dir", "--report-format", "sarif", "--report-path", "OUT",
		"--redact", "--no-banner", "--config", "CONFIG/gitleaks.toml", "--ignore-gitleaks-allow", "TARGET"}, true, false},
	{"gosec", ".", "github.com/klauspost/compress", []string{"-track-suppressions", "-fmt", "sarif", "-out", "OUT", "./..."}, true, true},
	{"staticcheck", ".", "github.com/klauspost/compress", []string{"-f", "sarif", "-show-ignored", "./..."}, false, true},
	{"eslint", "npm", "lodash", []string{"--no-config-lookup", "--config", "CONFIG/eslint.cjs", "--no-inline-config",
		"--format", "BIN/npm/node_modules/@microsoft/eslint-formatter-sarif/sarif.js", "--output-file", "OUT", "."}, true, true},
}

// TestRealScanners runs scanners alone, and then through the agent, over the same source: the results must be the same.
func TestRealScanners(t *testing.T) {
	if !*real {
		t.Skip("runs programs that make scanners installs")
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "scanner\tresults\tfiles\tplaces\talone: exit\ttime\tCPU\tpeak tree\tagent: exit\ttime\tCPU\tpeak tree\tsame\t")
	for _, s := range realScans {
		t.Run(s.scanner, func(t *testing.T) {
			target := realTarget(t, s.from, s.target)
			alone, process := s.alone(t, target)
			ours, job := s.throughAgent(t, target)
			same := alone.equal(ours) && job.Results == alone.results
			p := job.Process
			if p == nil {
				t.Fatalf("the agent failed: %s", job.Error)
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%v\t\n", s.scanner, alone.results, alone.files(), len(alone.places),
				process.ExitCode, seconds(process.Duration), seconds(process.CPU), bytesText(process.PeakMemory),
				p.ExitCode, seconds(p.Duration), seconds(p.CPU), bytesText(p.PeakMemory), same)
			if alone.results == 0 {
				t.Error("nothing was found: that the same was found says nothing")
			}
			if !same || job.Partial || job.Error != "" || job.Quarantined > 0 {
				t.Errorf("alone %d results, through the agent %d, %d quarantined, partial %v, error %q, warnings %q\n%s",
					alone.results, job.Results, job.Quarantined, job.Partial, job.Error, job.Warnings, alone.difference(ours))
			}
		})
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("each scanner alone, and through the agent, with cold caches both times:\n%s", &table)
}

// TestEslintLockFile: the packages come from the registry that npm is configured for, in the pinned versions.
func TestEslintLockFile(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(repoRoot, "tools", "eslint", "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct{ Version, Resolved, Integrity string }
	}
	if err := json.Unmarshal(b, &lock); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "://") || len(lock.Packages) < 100 {
		t.Errorf("%d packages, or a place on the network", len(lock.Packages))
	}
	for name, p := range lock.Packages {
		if name != "" && (p.Version == "" || p.Integrity == "" || p.Resolved != "") {
			t.Errorf("%s is not pinned, or to a place: %+v", name, p)
		}
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// outcome is what a scan found: how many results, and where which rule has found something.
type outcome struct {
	results int
	places  map[string]int // by rule, path and line
}

func (o *outcome) add(rule, path string, line int) {
	o.places[fmt.Sprintf("%s %s:%d", rule, path, line)]++
}

// equal says whether the same was found in the same places. The store keeps what a report has twice once.
func (o *outcome) equal(other *outcome) bool {
	return slices.Equal(slices.Sorted(maps.Keys(o.places)), slices.Sorted(maps.Keys(other.places)))
}

func (o *outcome) files() int {
	files := map[string]bool{}
	for place := range o.places {
		_, where, _ := strings.Cut(place, " ")
		files[where[:strings.LastIndex(where, ":")]] = true
	}
	return len(files)
}

func (o *outcome) difference(other *outcome) string {
	var b strings.Builder
	for _, side := range []struct {
		name string
		a, b *outcome
	}{{"alone", o, other}, {"agent", other, o}} {
		n := 0
		for _, place := range slices.Sorted(maps.Keys(side.a.places)) {
			if side.b.places[place] == 0 {
				if n++; n <= 5 {
					fmt.Fprintf(&b, "%s alone has %s\n", side.name, place)
				}
			}
		}
		fmt.Fprintf(&b, "%s: %d places that the other has not\n", side.name, n)
	}
	return b.String()
}

// alone runs the scanner without the agent, measured as the agent measures.
func (s *realScan) alone(t *testing.T, target string) (*outcome, *proc.Result) {
	t.Helper()
	dir := t.TempDir()
	bin, err := filepath.Abs(filepath.Join(repoRoot, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "gitleaks.toml"), realGitleaks)
	write(t, filepath.Join(dir, "eslint.cjs"), realEslint)
	sarif := filepath.Join(dir, "out.sarif")
	fill := strings.NewReplacer("OUT", sarif, "TARGET", target, "BIN", bin, "CONFIG", dir)
	spec := proc.Spec{
		Path: filepath.Join(bin, s.scanner), Dir: dir, Stdout: filepath.Join(dir, "stdout"), Stderr: filepath.Join(dir, "stderr"),
		Env: append(os.Environ(), "GOCACHE="+filepath.Join(dir, "cache"), "STATICCHECK_CACHE="+filepath.Join(dir, "cache"), "GOFLAGS=-mod=readonly", "NO_COLOR=1"),
	}
	for _, a := range s.args {
		spec.Args = append(spec.Args, fill.Replace(a))
	}
	if s.inside {
		spec.Dir = target
	}
	if !s.out {
		sarif = spec.Stdout
	}
	res, err := proc.Run(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(sarif)
	if err != nil {
		stderr, _ := os.ReadFile(spec.Stderr) // best effort: it is about to fail
		t.Fatalf("%s alone: exit %d, %v\n%s", s.scanner, res.ExitCode, err, stderr)
	}
	return readSarif(t, b, target), res
}

// readSarif reads just enough of SARIF, with nothing of ours.
func readSarif(t *testing.T, b []byte, target string) *outcome {
	t.Helper()
	var doc struct {
		Runs []struct {
			Results []struct {
				RuleID    string `json:"ruleId"`
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	o := &outcome{places: map[string]int{}}
	for _, run := range doc.Runs {
		for _, r := range run.Results {
			o.results++
			if len(r.Locations) == 0 {
				o.add(r.RuleID, "", 0)
				continue
			}
			at := r.Locations[0].PhysicalLocation
			path := strings.TrimPrefix(at.ArtifactLocation.URI, "file://")
			o.add(r.RuleID, strings.TrimPrefix(path, target+"/"), at.Region.StartLine)
		}
	}
	return o
}

// throughAgent scans with the agent, and asks its store what was found.
func (s *realScan) throughAgent(t *testing.T, target string) (*outcome, *jobSummary) {
	t.Helper()
	bin, err := filepath.Abs(filepath.Join(repoRoot, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	h := newHome(t, fmt.Sprintf("scan: {bin_dirs: [%q], nice: -1}\n", bin))
	run := func(into any, args ...string) {
		t.Helper()
		out, err := h.command(args...).Output()
		if err != nil {
			t.Errorf("%v: %v", args, err)
		}
		if err := json.Unmarshal(out, into); err != nil {
			t.Fatalf("%v: %v in %.500s", args, err, out)
		}
	}
	var sum summary
	run(&sum, "scan", "-o", "json", "--wait", "10m", "--scanner", s.scanner, target)
	var found []struct {
		Rule string `json:"rule_id"`
		Path string `json:"path"`
		Line int    `json:"line"`
	}
	run(&found, "findings", "-o", "json")
	o := &outcome{results: sum.Findings, places: map[string]int{}}
	for _, f := range found {
		o.add(f.Rule, f.Path, f.Line)
	}
	return o, sum.Jobs[0]
}

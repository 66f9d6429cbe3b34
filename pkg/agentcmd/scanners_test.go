package agentcmd

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// withoutScanners is a user who has no scanners but those the test gives.
func withoutScanners(t *testing.T, more ...string) *home {
	t.Helper()
	h := newHome(t, more...)
	h.env = append(h.env, "PATH="+t.TempDir())
	return h
}

// honest is a scanner in shell that finds the word eval and fails for a target that is missing, with a definition file.
func (h *home) honest(name string) {
	h.t.Helper()
	if runtime.GOOS == "windows" {
		h.t.Skip("needs a shell")
	}
	dir := filepath.Join(h.state, "scanners")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		h.t.Fatal(err)
	}
	command := filepath.Join(h.t.TempDir(), name)
	text := `#!/bin/sh
[ "$1" = version ] && echo honest 1.2.3 && exit
[ "$1" = db ] && echo 'built 2020-01-02T03:04:05Z' && exit
[ -d "$1" ] || exit 9
for f in "$1"/*; do while read -r line; do case $line in *eval*) found='{"message":{"text":"eval"}}';; esac; done < "$f"; done
printf '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"sh"}},"results":[%s]}]}' "$found"
`
	if err := os.WriteFile(command, []byte(text), 0o700); err != nil {
		h.t.Fatal(err)
	}
	write(h.t, filepath.Join(dir, name+".yaml"), "name: "+name+"\ncommand: "+command+"\nargs: ['{target}']\nstdout: true\nmissing_target: error\n"+
		"exit_codes: {clean: [0], findings: [0]}\nversion_args: [version]\nsample: javascript\ndatabase: {args: [db]}\n")
}

func TestScannersAreListed(t *testing.T) {
	h := withoutScanners(t, scanners(t, fake(t, "gitleaks"), fake(t, "fake")))
	h.honest("honest")
	var list []scannerInfo
	h.run("scanners", "-o", "json").want(ExitOK).decode(&list)
	if len(list) != len(scan.Builtin())+2 {
		t.Errorf("%d scanners", len(list))
	}
	got := map[string]scannerInfo{}
	for _, s := range list {
		got[s.Name] = s
	}
	file := filepath.Join(h.state, "scanners", "honest.yaml")
	if s := got["honest"]; !s.Installed || s.Version != "1.2.3" || s.Defined != file || s.Database == nil || s.Database.Year() != 2020 {
		t.Errorf("of the directory: %+v", s)
	}
	if s := got["gitleaks"]; !s.Installed || s.Defined != h.config {
		t.Errorf("of the configuration, in place of a built-in one: %+v", s)
	}
	if s := got["semgrep"]; s.Installed || s.Defined != builtIn || s.Remarks == "" || s.Path != "" {
		t.Errorf("built in: %+v", s)
	}
	h.run("scanners").want(ExitOK, "not installed", "1.2.3", "days", file)

	write(t, file, "name: honest\nnmae: x\n")
	h.run("scanners").want(ExitConfig, "honest.yaml", "line 2: unknown key nmae")
	h.env = append(h.env, "REDIVER_AGENT_SCANNERS_DIR="+filepath.Dir(file))
	h.run("validate").want(ExitConfig, "unknown key nmae")
}

func TestScannersShow(t *testing.T) {
	h := withoutScanners(t, scanners(t, fake(t, "fake")))
	h.honest("honest")
	for _, name := range []string{"gitleaks", "custom", "honest"} {
		text := h.run("scanners", "show", name).want(ExitOK).out
		if _, err := scan.ParseDefinition([]byte(text)); err != nil {
			t.Errorf("%s cannot be read again: %v\n%s", name, err, text)
		}
	}
	h.run("scanners", "show", "fake").want(ExitRuntime, "is defined in "+h.config)
	h.run("scanners", "show", "gitleeks").want(ExitUsage, "not in the table")
	h.run("scanners", "shwo").want(ExitUsage)
}

// Without --scanner, a scanner that has nothing to do in the target is skipped.
func TestScanLeavesOutWhatDoesNotFit(t *testing.T) {
	h := withoutScanners(t)
	h.honest("honest")
	h.honest("picky")
	path := filepath.Join(h.state, "scanners", "picky.yaml")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(b)+"needs: [go.mod]\n")
	target := t.TempDir()
	write(t, filepath.Join(target, "a.js"), "eval(x)\n")
	jobs := func(args ...string) (names []string) {
		for _, j := range h.run(append([]string{"scan", "-o", "json", target}, args...)...).want(ExitOK).summary().Jobs {
			names = append(names, j.Scanner)
		}
		return names
	}
	if got := strings.Join(jobs(), " "); got != "honest" {
		t.Errorf("without a go.mod: %s", got)
	}
	if got := strings.Join(jobs("--scanner", "picky"), " "); got != "picky" {
		t.Errorf("when it is asked for: %s", got)
	}
	write(t, filepath.Join(target, "go.mod"), "module x\n")
	if got := strings.Join(jobs(), " "); got != "honest picky" {
		t.Errorf("with a go.mod: %s", got)
	}
	h.run("scan", "--scanner", "gone", t.TempDir()).want(ExitUsage)
	if err := os.Remove(filepath.Join(h.state, "scanners", "honest.yaml")); err != nil {
		t.Fatal(err)
	}
	h.run("scan", t.TempDir()).want(ExitRuntime, "none of the scanners that are installed fits: picky")
}

// report is what doctor -o json prints.
type doctorReport struct {
	Healthy  bool      `json:"healthy"`
	Findings []finding `json:"findings"`
}

func (h *home) doctor(code int, args ...string) map[string]finding {
	h.t.Helper()
	var r doctorReport
	h.run(append([]string{"doctor", "-o", "json"}, args...)...).want(code).decode(&r)
	if r.Healthy != (code == ExitOK) {
		h.t.Errorf("healthy %v with exit code %d", r.Healthy, code)
	}
	out := map[string]finding{}
	for _, f := range r.Findings {
		out[f.Name] = f
	}
	return out
}

func TestDoctor(t *testing.T) {
	h := withoutScanners(t, scanners(t, fake(t, "blind"), fake(t, "broken", scantest.Exit(7))))
	h.honest("honest")
	got := h.doctor(ExitOK, "honest")
	f := got["honest"]
	if f.Status != findingWarn || !strings.Contains(f.Detail, "database is") { // it is of 2020
		t.Errorf("honest: %+v", f)
	}
	if len(f.Trials) != 3 || f.Trials[1].Verdict != scan.VerdictFindings || f.Trials[1].Findings != 1 || f.Trials[2].ExitCode != 9 {
		t.Errorf("trials: %+v", f.Trials)
	}
	for _, name := range []string{"configuration", "state directory", "agent", "server"} {
		if got[name].Status != findingOK {
			t.Errorf("%s: %+v", name, got[name])
		}
	}
	got = h.doctor(ExitRuntime) // all that are installed
	if f := got["broken"]; f.Status != findingFail || !strings.Contains(f.Detail, "exit code 7 is not declared") {
		t.Errorf("broken: %+v", f)
	}
	if _, ok := got["semgrep"]; ok {
		t.Error("a scanner that is not installed is a finding")
	}
	h.run("doctor").want(ExitRuntime, "FAIL  broken", "WANT clean", "not installed", "1 failed")
	h.run("doctor", "semgrep").want(ExitRuntime, "FAIL  semgrep", "not installed")
	h.run("doctor", "semgerp").want(ExitUsage, `did you mean "semgrep"`)
	h.run("doctor", "--timeout", "0s").want(ExitUsage, "--timeout")
	if left, err := filepath.Glob(filepath.Join(h.state, "scans", "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDoctorLooksAtTheInstallation(t *testing.T) {
	h := withoutScanners(t)
	if got := h.doctor(ExitOK); got["scanners"].Status != findingWarn || !strings.Contains(got["state directory"].Detail, "first run creates it") {
		t.Errorf("before the first run: %+v", got)
	}
	if err := os.MkdirAll(h.state, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(h.state, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := h.doctor(ExitOK)["permissions"]; runtime.GOOS != "windows" && got.Status != findingWarn {
		t.Errorf("a directory that others can read: %+v", got)
	}
	srv := ingesttest.New(t)
	if got := h.doctor(ExitOK, h.to(srv)...)["server"]; got.Status != findingOK || !strings.Contains(got.Detail, srv.URL) {
		t.Errorf("server: %+v", got)
	}
	if got := h.doctor(ExitRuntime, "--server", srv.URL, "--token-file", h.token("wrong"))["server"]; got.Status != findingFail {
		t.Errorf("wrong token: %+v", got)
	}
	if got := h.doctor(ExitRuntime, "--server", "http://127.0.0.1:1")["server"]; got.Status != findingFail {
		t.Errorf("no server: %+v", got)
	}
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	h.state, h.env = file, append(h.env, "REDIVER_AGENT_SCANNERS_DIR="+t.TempDir())
	if got := h.doctor(ExitRuntime)["state directory"]; got.Status != findingFail {
		t.Errorf("a file for a state directory: %+v", got)
	}
	write(t, h.config, "agent: {wiat: 3s}\n")
	h.run("doctor").want(ExitConfig, "wiat")
}

// Ctrl-C ends doctor and the scanner that it is trying.
func TestDoctorIsInterrupted(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks at processes in /proc")
	}
	s := newScript(t, "slow", "", "exec sleep 600")
	h := newHome(t, scanners(t, s.def, fake(t, "slower")))
	cmd := h.command("doctor", "slow", "slower")
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.ready()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != ExitRuntime {
		t.Errorf("exit %d, %v", code, err)
	}
	if s.alive() || !strings.Contains(out.String(), "not tried: interrupted") {
		t.Errorf("the scanner is alive: %v\n%s", s.alive(), out.String())
	}
}

// A program in the working directory, which may be a repository to be scanned, is never taken for a scanner.
func TestNoScannerOfTheWorkingDirectory(t *testing.T) {
	h := withoutScanners(t, "")
	for _, dir := range []string{".", "bin"} {
		dir = filepath.Join(filepath.Dir(h.state), dir)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "kics"), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var list []scannerInfo
	h.run("scanners", "-o", "json").want(ExitOK).decode(&list)
	for _, s := range list {
		if s.Name == "kics" && s.Installed {
			t.Errorf("got %+v", s)
		}
	}
}

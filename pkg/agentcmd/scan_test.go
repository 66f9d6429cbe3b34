package agentcmd

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// One of two scanners fails in each possible way. The other one continues, and the summary has the reason.
func TestScanBearsBadScanners(t *testing.T) {
	for _, c := range []struct {
		name   string
		does   []scantest.Behaviour
		config string
		cause  scan.Cause
		says   []string
	}{
		{name: "undeclared-exit-code", cause: scan.CauseExit, does: []scantest.Behaviour{scantest.Exit(7), scantest.Stderr("starting\ncannot read the rules\n")},
			says: []string{"exit code 7 is not declared", "cannot read the rules"}},
		{name: "writes-nothing", cause: scan.CauseSarif, does: []scantest.Behaviour{scantest.NoReport(), scantest.Stderr("nothing to do\n")},
			says: []string{"exit code 0, but no SARIF was written", "nothing to do"}},
		{name: "writes-garbage", cause: scan.CauseSarif, does: []scantest.Behaviour{scantest.Sarif("what?"), scantest.Stderr("done\n")}, says: []string{"no JSON object"}},
		{name: "is-killed", cause: scan.CauseExit, does: []scantest.Behaviour{scantest.Killed()}, says: []string{"ended by signal"}},
		{name: "hangs", cause: scan.CauseTimeout, does: []scantest.Behaviour{scantest.Hang(), scantest.Stderr("looking around\n")}, config: "scan: {timeout: 2s, grace: 100ms}",
			says: []string{"by its time limit of 2s", "looking around"}},
		{name: "hangs-and-ignores-term", cause: scan.CauseTimeout, does: []scantest.Behaviour{scantest.Hang(), scantest.IgnoreTerm(), scantest.Fork(2)},
			config: "scan: {timeout: 3s, grace: 100ms}", says: []string{"by its time limit of 3s"}},
		{name: "prints-a-lot", cause: scan.CauseOutput, does: []scantest.Behaviour{scantest.Flood(64 << 20), scantest.NoReport(), scantest.Hang()},
			config: "scan: {max_output_bytes: 1048576, max_log_bytes: 1048576, grace: 100ms}", says: []string{"over 1048576 bytes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t, c.config, scanners(t, fake(t, "bad", c.does...), fake(t, "good", scantest.Results(3))))
			begun := time.Now()
			s := h.run("scan", "-o", "json", "--scanner", "bad", "--scanner", "good", t.TempDir()).want(ExitRuntime).summary()
			if len(s.Jobs) != 2 || s.Jobs[1].Error != "" || s.Jobs[1].Findings != 3 || s.Created != 3 {
				t.Fatalf("the good scanner: %+v", s.Jobs[1])
			}
			if bad := s.Jobs[0]; bad.Cause != c.cause || bad.Process == nil || bad.Process.Duration <= 0 || s.Jobs[1].Process == nil || s.Jobs[1].Cause != "" {
				t.Errorf("cause %s, process %+v, want %s", bad.Cause, bad.Process, c.cause)
			}
			for _, says := range c.says {
				if !strings.Contains(s.Jobs[0].Error, says) {
					t.Errorf("error %q does not say %q", s.Jobs[0].Error, says)
				}
			}
			if n := len(h.found()); n != 3 {
				t.Errorf("%d findings in the store", n)
			}
			if left, err := filepath.Glob(filepath.Join(h.state, "scans", "*")); err != nil || len(left) > 0 {
				t.Errorf("private directories left: %v, %v", left, err)
			}
			if d := time.Since(begun); d > patience/2 {
				t.Errorf("took %v", d)
			}
		})
	}
}

func TestScan(t *testing.T) {
	t.Parallel()
	h := newHome(t, scanners(t, fake(t, "clean"), fake(t, "three", scantest.Results(3))))
	one, two := t.TempDir(), t.TempDir()
	s := h.run("scan", "-o", "json", "--scanner", "three", "--scanner", "clean", one, two).want(ExitOK).summary()
	if len(s.Jobs) != 4 || s.Findings != 6 || s.Created != 6 || s.Parts != 4 {
		t.Errorf("%+v", s)
	}
	for _, j := range s.Jobs {
		if j.Error != "" || j.Version != scantest.Version {
			t.Errorf("%+v", j)
		}
	}
	h.run("scan", "--scanner", "three", "--fail-on", "high", one).want(ExitFindings, "0 new findings, 3 seen before", "Next: example-agent findings --state-dir "+h.state)
	if st := h.stats(); st.Findings != 6 || st.Incomplete != 0 {
		t.Errorf("after a second scan: %+v", st)
	}
}

// The summary has the peak memory of a scanner that is larger than the agent.
func TestScanTellsPeakMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("not every system tells it")
	}
	t.Parallel()
	const size = 128 << 20
	h := newHome(t, scanners(t, fake(t, "large", scantest.Results(1), scantest.Memory(size))))
	s := h.run("scan", "-o", "json", "--scanner", "large", t.TempDir()).want(ExitOK).summary()
	if s.PeakMemory < size || s.Jobs[0].PeakMemory != s.PeakMemory {
		t.Errorf("%d bytes, want %d or more", s.PeakMemory, size)
	}
}

// An error names the missing executable, the missing target, and the scanners that are not installed.
func TestScanWithoutScannerOrTarget(t *testing.T) {
	t.Parallel()
	gone := fake(t, "gone")
	gone.Command = "no-such-scanner-anywhere"
	h := newHome(t, scanners(t, gone, fake(t, "good")))
	h.run("scan", "--scanner", "gone", "--scanner", "good", t.TempDir()).want(ExitRuntime, "failed   gone", "no-such-scanner-anywhere")
	h.run("scan", "--scanner", "good", filepath.Join(h.state, "nowhere")).want(ExitRuntime, "nowhere")

	bare := newHome(t)
	bare.env = []string{"PATH=" + t.TempDir()}
	bare.run("scan", t.TempDir()).want(ExitRuntime, "no scanner is installed")
}

// A secret in the agent's environment does not reach a scanner, nor does a finding's control character a terminal.
func TestScanKeepsSecretsAndTerminal(t *testing.T) {
	t.Parallel()
	printer := filepath.Join(t.TempDir(), "printer")
	if err := os.WriteFile(printer, []byte("#!/bin/sh\nenv >&2\nexit 9\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	def := fake(t, "printer")
	def.Command, def.Env, def.VersionArgs = printer, nil, nil
	h := newHome(t, scanners(t, def))
	h.env = []string{"REDIVER_SECRET=swordfish", "AWS_SECRET_ACCESS_KEY=swordfish"}
	r := h.run("scan", "--scanner", "printer", t.TempDir()).want(ExitRuntime, "exit code 9")
	log, err := os.ReadFile(filepath.Join(h.state, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(r.out+r.err+string(log), "swordfish") {
		t.Errorf("the scanner had a secret:\n%s%s%s", r.out, r.err, log)
	}
	h.pipe(document(`{"ruleId":"a","message":{"text":"red \u001b[31m"}}`), "import", "-").want(ExitOK)
	if r := h.run("findings").want(ExitOK, "red"); strings.Contains(r.out, "\x1b") {
		t.Errorf("escape sequence: %q", r.out)
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
)

// asAgent makes the test binary the agent.
const asAgent = "TEST_AS_ACME_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(asAgent) == "" {
		os.Exit(m.Run())
	}
	main()
}

// bench is a directory with a target to scan, in which the agent runs.
type bench struct {
	t   *testing.T
	dir string
}

func newBench(t *testing.T) *bench {
	dir, err := os.MkdirTemp("", "acme") // short: the path of a unix socket has at most 103 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &bench{t, dir}
	b.write("app/main.c", "int main() {\n\t// FIXME: return something\n}\n")
	b.write("agent.yaml", "resource: {cpu_threshold: -1, memory_threshold: -1}\nagent: {poll_wait: 100ms}\n")
	return b
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), asAgent+"=1", "ACME_AGENT_STATE_DIR="+filepath.Join(b.dir, "s"), "ACME_AGENT_CONFIG=agent.yaml")
	return cmd
}

// run runs the agent, and fails the test unless it exits with code and prints all of want.
func (b *bench) run(code int, args []string, want ...string) string {
	b.t.Helper()
	cmd := b.command(args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
		b.t.Fatalf("acme-agent %v: %v, want exit code %d\n%s", args, err, code, out)
	}
	for _, w := range want {
		if !strings.Contains(string(out), w) {
			b.t.Errorf("acme-agent %v does not print %q:\n%s", args, w, out)
		}
	}
	return string(out)
}

func TestHelpHasOwnVerbAndName(t *testing.T) {
	b := newBench(t)
	out := b.run(0, []string{"--help"}, "acme-agent scan", "ACME_AGENT_STATE_DIR", "list the words that the scanner looks for", "~/.acme-agent")
	if strings.Contains(out, "example-agent") || strings.Contains(out, "REDIVER_") || strings.Contains(out, "{") {
		t.Errorf("--help has names of another agent:\n%s", out)
	}
	b.run(0, []string{"version"}, "acme-agent 1.0.0")
	b.run(0, []string{"words"}, "FIXME\ndo not merge\n")
	b.run(0, []string{"words", "-o", "json"}, `"do not merge"`)
	b.run(0, []string{"scanners"}, "words", "part of the program")
	b.run(64, []string{"words", "extra"})
}

func TestMistakesInOwnSectionAreLocated(t *testing.T) {
	b := newBench(t)
	b.write("bad.yaml", "acme:\n  word: [TODO]\n  max_file_mb: 1000\n")
	b.run(78, []string{"validate", "bad.yaml"},
		`bad.yaml:2:3: unknown key "word" in acme; did you mean "words"?`,
		"bad.yaml:3:3: acme.max_file_mb: 1000 is outside 1 to 100",
		"     3 |   max_file_mb: 1000\n       |   ^\n")
	b.write("empty.yaml", "acme:\n  words: []\n")
	b.run(78, []string{"validate", "empty.yaml"}, "empty.yaml:2:3: acme.words: want at least one")
	b.write("good.yaml", "acme: {words: [TODO], max_file_mb: 2}\n")
	b.run(0, []string{"validate", "good.yaml"}, "good.yaml is valid")
	b.run(0, []string{"--config", "good.yaml", "words"}, "TODO\n")
}

// lines returns the reports in the outbox.
func (b *bench) lines() (out []map[string]any) {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, "s", "outbox.jsonl"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			b.t.Fatalf("outbox line %q: %v", line, err)
		}
		out = append(out, m)
	}
	return out
}

func TestScanUploadsToTheOutbox(t *testing.T) {
	b := newBench(t)
	b.run(1, []string{"scan", "--scanner", "words", "--fail-on", "low", "app"}, "Findings   1  low 1", "Uploaded   1 part", "Sent to "+filepath.Join(b.dir, "s", "outbox.jsonl"))
	if got := b.lines(); len(got) != 1 {
		t.Errorf("the outbox has %d lines, want 1", len(got))
	}
	b.run(0, []string{"queue", "list"}, "the queue is empty")
	b.run(2, []string{"findings"}, "uploader of its own")
	b.run(0, []string{"doctor", "words"}, "ok    words")
}

func TestRunTakesAJobAndShowsIt(t *testing.T) {
	b := newBench(t)
	b.write("s/jobs/one.json", `{"scanner": "words", "target": "`+filepath.Join(b.dir, "app")+`"}`)
	cmd := b.command("run")
	var diagnostics bytes.Buffer
	cmd.Stderr = &diagnostics
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "a report in the outbox", func() bool { return len(b.lines()) == 1 })
	testkit.Eventually(t, "a healthy status", func() bool {
		out, err := b.command("status").CombinedOutput()
		return err == nil && strings.Contains(string(out), "1 completed")
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		t.Errorf("run after SIGTERM = %v, want nil\n%s", err, diagnostics.String())
	}
	b.run(69, []string{"status"}, "is 'acme-agent run' up")
}

package agentcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// The test binary is three programs: the tests, the agent (with asAgent set), and the fake scanner.
const asAgent = "E2E_AGENT"

func TestMain(m *testing.M) {
	scantest.Main()
	if os.Getenv(asAgent) == "" {
		os.Exit(m.Run())
	}
	app := exampleApp
	if at := os.Getenv(killAt); at != "" {
		app.Sinks = append(app.Sinks, killer(at))
	}
	a := &cli{App: app, called: "example-agent", in: os.Stdin, out: os.Stdout, errw: os.Stderr, env: os.LookupEnv}
	os.Exit(a.main(context.Background(), os.Args[1:]))
}

// patience is how long a test waits for what must happen, on a machine that is busy with something else.
const patience = 60 * time.Second

// home is one user of the program: a state directory, a configuration and a token.
type home struct {
	t      *testing.T
	state  string
	config string
	env    []string
}

// plainConfig makes waits short and the load of the test machine irrelevant.
const plainConfig = `
resource: {cpu_threshold: -1, memory_threshold: -1, memory_pressure_threshold: -1, memory_reserve_bytes: -1, max_concurrent_jobs: 4}
pipeline: {retry_delay: 20ms, max_retry_delay: 200ms, upload_delay: -1}
limits: {file_system: {min_free_disk_space_mb: -1}}
agent: {poll_wait: 100ms, retry_delay: 20ms, heartbeat_interval: -1}
`

// newHome returns a user with the plain configuration and whatever YAML is added to it.
func newHome(t *testing.T, more ...string) *home {
	t.Helper()
	dir, err := os.MkdirTemp("", "ea") // short: the path of a unix socket has about 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h := &home{t: t, state: filepath.Join(dir, "s"), config: filepath.Join(dir, "agent.yaml")}
	write(t, h.config, plainConfig+strings.Join(more, "\n"))
	return h
}

// token writes a token file that only its owner can read.
func (h *home) token(text string) string {
	path := filepath.Join(filepath.Dir(h.state), "token")
	write(h.t, path, text+"\n")
	if err := os.Chmod(path, 0o600); err != nil { // it may have been there with another mode
		h.t.Fatal(err)
	}
	return path
}

// to returns the flags that send to a test server.
func (h *home) to(srv *ingesttest.Server) []string {
	return []string{"--server", srv.URL, "--token-file", h.token(ingesttest.Token)}
}

// command is the agent as a process of its own, not started yet.
func (h *home) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], append([]string{"--state-dir", h.state, "--config", h.config}, args...)...)
	cmd.Env = append(os.Environ(), asAgent+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.Env = append(cmd.Env, h.env...)
	cmd.Dir = filepath.Dir(h.state)
	return cmd
}

// result is how a run of the program ended.
type result struct {
	t        *testing.T
	args     []string
	code     int
	out, err string
}

// run runs the program to its end.
func (h *home) run(args ...string) *result { return h.pipe("", args...) }

// pipe runs it with a text as standard input.
func (h *home) pipe(in string, args ...string) *result {
	h.t.Helper()
	cmd := h.command(args...)
	var out, errw bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &errw
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Signal(syscall.SIGABRT) })
	err := cmd.Wait()
	if !timer.Stop() {
		h.t.Fatalf("%v did not end: %s", args, errw.String())
	}
	if cmd.ProcessState.ExitCode() < 0 {
		h.t.Fatalf("%v: %v\n%s", args, err, errw.String())
	}
	return &result{h.t, args, cmd.ProcessState.ExitCode(), out.String(), errw.String()}
}

// want fails the test unless the program ended with code and said all of these on its outputs.
func (r *result) want(code int, says ...string) *result {
	r.t.Helper()
	if r.code != code {
		r.t.Fatalf("%v: exit %d, want %d\n%s%s", r.args, r.code, code, r.out, r.err)
	}
	for _, s := range says {
		if !strings.Contains(r.out+r.err, s) {
			r.t.Errorf("%v does not say %q:\n%s%s", r.args, s, r.out, r.err)
		}
	}
	return r
}

// decode reads standard output, which must be one JSON value.
func (r *result) decode(into any) {
	r.t.Helper()
	d := json.NewDecoder(strings.NewReader(r.out))
	if err := d.Decode(into); err != nil {
		r.t.Fatalf("%v: %v in %q\n%s", r.args, err, r.out, r.err)
	}
	if d.More() {
		r.t.Fatalf("%v prints more than one JSON value: %q", r.args, r.out)
	}
}

// summary is what scan and import print with -o json.
func (r *result) summary() *summary {
	r.t.Helper()
	var s summary
	r.decode(&s)
	return &s
}

// queue is queue list -o json.
func (h *home) queue() []map[string]any {
	h.t.Helper()
	var q []map[string]any
	h.run("queue", "list", "-o", "json").want(ExitOK).decode(&q)
	if q == nil {
		h.t.Fatal("queue list prints null, want []")
	}
	return q
}

// found is findings -o json.
func (h *home) found(args ...string) []map[string]any {
	h.t.Helper()
	var f []map[string]any
	h.run(append([]string{"findings", "-o", "json"}, args...)...).want(ExitOK).decode(&f)
	if f == nil {
		h.t.Fatal("findings prints null, want []")
	}
	return f
}

// scanners is the configuration's section of these.
func scanners(t testing.TB, defs ...scan.Definition) string {
	t.Helper()
	list := []map[string]any{}
	for _, d := range defs {
		list = append(list, map[string]any{
			"name": d.Name, "command": d.Command, "args": d.Args, "env": d.Env, "stdout": d.Stdout, "version_args": d.VersionArgs,
			"exit_codes": map[string]any{"clean": d.ExitCodes.Clean, "findings": d.ExitCodes.Findings},
		})
	}
	b, err := json.Marshal(list) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	return "scanners: " + string(b) + "\n"
}

// fake is a fake scanner with a name of its own.
func fake(t testing.TB, name string, b ...scantest.Behaviour) scan.Definition {
	t.Helper()
	d := scantest.Definition(t, b...)
	d.Name = name
	return d
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

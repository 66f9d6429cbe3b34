package agentcmd

import (
	"bytes"
	"context"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// runApp runs the command line of app in this process, with a state directory of its own.
func runApp(t *testing.T, app App, args ...string) (code int, out, errw string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "app") // short: the path of a unix socket has at most 103 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config := filepath.Join(dir, "c.yaml")
	write(t, config, plainConfig)
	var stdout, stderr bytes.Buffer
	a := &cli{App: app.withDefaults(), called: app.Name, in: strings.NewReader(""), out: &stdout, errw: &stderr, env: noEnv}
	code = a.main(t.Context(), append([]string{"--state-dir", filepath.Join(dir, "s"), "--config", config}, args...))
	return code, stdout.String(), stderr.String()
}

// An agent with a source, a scanner, an uploader, sinks and a logger of its own runs its jobs to the end of the source.
func TestAppRunsItsOwnParts(t *testing.T) {
	var events sdktest.Recorder
	var uploader sdktest.Uploader
	var log bytes.Buffer
	app := App{
		Name:     "own-agent",
		Scanners: map[string]agent.Scanner{"own": &sdktest.Scanner{}},
		Uploader: func(context.Context, *Env) (pipeline.Uploader, error) { return &uploader, nil },
		Source: func(context.Context, *Env) (job.Source, error) {
			return job.NewList(job.Spec{ID: "one", Scanner: "own", Target: t.TempDir()}), nil
		},
		Sinks:  []event.Sink{&events},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	code, _, errw := runApp(t, app, "run")
	if code != ExitOK || !strings.Contains(errw, "jobs from the source of own-agent, reports to the uploader of own-agent") {
		t.Fatalf("run exits with %d, want 0:\n%s", code, errw)
	}
	if n := len(events.OfType(event.JobCompleted)); n != 1 {
		t.Errorf("the sink has %d job_completed events, want 1", n)
	}
	if !strings.Contains(log.String(), "job_completed") {
		t.Errorf("the logger has no job_completed event:\n%s", log.String())
	}
}

func TestAppDefinitionsAreListed(t *testing.T) {
	d := fake(t, "shipped")
	code, out, _ := runApp(t, App{Name: "own-agent", Definitions: []scan.Definition{d}}, "scanners")
	if code != ExitOK || !strings.Contains(out, "shipped") || !strings.Contains(out, inProgram) {
		t.Errorf("scanners exits with %d and prints\n%swant the scanner shipped as %s", code, out, inProgram)
	}
}

func TestCommandHasFlagsAndExitCodes(t *testing.T) {
	var name string
	app := App{Name: "own-agent", Commands: []Command{{
		Name: "greet", Args: "[NAME]", Short: "greet", Example: "  {agent} greet --as me",
		Flags: func(f *flag.FlagSet) { f.StringVar(&name, "as", "", "the name") },
		Run: func(_ context.Context, env *Env, args []string) error {
			if len(args) > 0 {
				return &ExitError{Code: 9}
			}
			return env.Print(map[string]string{"name": name}, "hello "+name+"\x1b[2J\n")
		},
	}}}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"greet", "--as", "me"}, ExitOK, "hello me\\x1b[2J\n"},
		{[]string{"greet", "--as", "me", "-o", "json"}, ExitOK, `"name": "me"`},
		{[]string{"greet", "x"}, 9, ""},
		{[]string{"greet", "--az", "me"}, ExitUsage, "unknown flag"},
		{[]string{"greet", "--help"}, ExitOK, "own-agent greet --as me"},
	} {
		code, out, errw := runApp(t, app, c.args...)
		if code != c.code || !strings.Contains(out+errw, c.want) {
			t.Errorf("%v exits with %d and prints\n%s%swant %d and %q", c.args, code, out, errw, c.code, c.want)
		}
	}
}

package scan

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTableIsUnchanging(t *testing.T) {
	mine := Custom("mine", "cat", "{target}")
	table, err := NewTable(append(Builtin(), mine)...)
	if err != nil {
		t.Fatal(err)
	}
	mine.Args[0] = "changed"
	d, ok := table.Lookup("mine")
	if !ok || d.Args[0] != "{target}" {
		t.Errorf("got %+v", d)
	}
	d.Args[0] = "changed"
	if d, _ = table.Lookup("mine"); d.Args[0] != "{target}" {
		t.Error("a copy changed the table")
	}
	over := Custom("gitleaks", "other", "{target}")
	if table, err = NewTable(append(Builtin(), over)...); err != nil || len(table.Names()) != len(Builtin()) {
		t.Fatalf("override: %v", err)
	}
	if d, _ = table.Lookup("gitleaks"); d.Command != "other" {
		t.Errorf("override: got %+v", d)
	}
}

func TestDefinitionNamesEveryProblem(t *testing.T) {
	bad := Definition{
		Name: "a b", Args: []string{"{config}"}, Env: []string{"=x"}, MemoryBytes: -1, Slots: -1,
		ExitCodes: ExitCodes{Findings: []int{256}},
	}
	_, err := NewTable(bad, Custom("", "x"))
	for _, want := range []string{
		"a b", "command is empty", "{output}", "{target}", "config is empty", `env "=x"`, "memory_bytes: -1", "slots: -1",
		"exit code 256", `name ""`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestCustom(t *testing.T) {
	for _, tt := range []struct {
		args             []string
		stdout, inTarget bool
	}{
		{[]string{"-o", "{output}", "{target}"}, false, false},
		{[]string{"--out={output}"}, false, true},
		{[]string{"{target}"}, true, false},
		{nil, true, true},
	} {
		d := Custom("x", "x", tt.args...)
		if d.Stdout != tt.stdout || d.InTarget != tt.inTarget || d.Validate() != nil {
			t.Errorf("%q: got stdout %v, in target %v, %v", tt.args, d.Stdout, d.InTarget, d.Validate())
		}
	}
}

// A path that looks like a placeholder is not replaced once more.
func TestArguments(t *testing.T) {
	d := Definition{Args: []string{"{target}", "--out={output}", "{other}"}}
	inv := invocation{Definition: &d, places: map[string]string{"{target}": "/x/{output}", "{output}": "/out"}}
	got := inv.arguments()
	if want := []string{"/x/{output}", "--out=/out", "{other}"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestConfigNamesEveryProblem(t *testing.T) {
	cfg := Config{
		Timeout: -2, Grace: 2 * time.Hour, MaxOutputBytes: -1, MaxLogBytes: -1, MaxFileBytes: 1, MemoryLimitBytes: 1, Nice: 20,
		SoftMemoryLimitBytes: 2, CPULimit: 1, MaxProcesses: -2, StuckTimeout: 1, SampleInterval: 1,
	}
	cfg.SarifLimits.MaxDepth = -1
	_, err := NewRunner(cfg)
	for _, want := range []string{
		"timeout: -2ns", "grace: 2h", "max_output_bytes: -1", "max_log_bytes: -1", "max_file_bytes: 1", "memory_limit_bytes: 1",
		"nice: 20", "max_depth: -1", "soft_memory_limit_bytes: 2 is outside", "soft_memory_limit_bytes: 2 is over memory_limit_bytes, 1",
		"cpu_limit: 1ns", "max_processes: -2", "stuck_timeout: 1ns", "sample_interval: 1ns",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	off := Config{
		Timeout: -1, Grace: -1, MaxFileBytes: -1, MemoryLimitBytes: -1, Nice: -1,
		SoftMemoryLimitBytes: -1, CPULimit: -1, MaxProcesses: -1, StuckTimeout: -1,
	}
	if err := off.Validate(); err != nil {
		t.Errorf("-1 means off: %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	for _, name := range []string{"API_KEY", "PASSED", "HOME"} {
		t.Setenv(name, "of the agent")
	}
	os.Unsetenv("UNSET")
	add := []string{"PASSED", "UNSET", "MODE=a=b", "NO_COLOR=0"}
	env := environment(add, "/private", 1000)
	for _, want := range []string{"PASSED=of the agent", "HOME=of the agent", "MODE=a=b", "NO_COLOR=0", "TMPDIR=/private", "GOMEMLIMIT=850"} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s in %q", want, env)
		}
	}
	for _, kv := range env {
		if strings.HasPrefix(kv, "API_KEY") || strings.HasPrefix(kv, "UNSET") || kv == "NO_COLOR=1" {
			t.Errorf("%s is in %q", kv, env)
		}
	}
	if env = environment(add, "", 0); slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "GOMEMLIMIT") }) {
		t.Errorf("a memory limit without one: %q", env)
	}
}

package scan

import (
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// everyWay returns the invocations of a definition in each combination of settings.
func everyWay(t *testing.T, d *Definition) []invocation {
	t.Helper()
	var ways []invocation
	for _, cfg := range []Config{
		{}, {Offline: true}, {AllowTargetConfig: []string{d.Name}}, {Offline: true, AllowTargetConfig: []string{d.Name}},
	} {
		r, err := NewRunner(cfg)
		if err != nil {
			t.Fatal(err)
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		v, err := r.invocation(d, self, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(v.places, map[string]string{"{target}": "/t", "{output}": "/o/r.sarif", "{output_dir}": "/o", "{config}": "/c"})
		ways = append(ways, v)
	}
	return ways
}

func TestBuiltin(t *testing.T) {
	table, err := NewTable()
	if err != nil {
		t.Fatal(err)
	}
	want := "bandit checkov eslint flawfinder gitleaks golangci-lint gosec grype kics osv-scanner semgrep staticcheck tfsec trivy"
	if got := strings.Join(table.Names(), " "); got != want {
		t.Errorf("names %s", got)
	}
	for _, d := range Builtin() {
		switch {
		case d.MemoryBytes <= 0 || d.Slots <= 0:
			t.Errorf("%s: no cost declared", d.Name)
		case d.ExitCodes.clean(1):
			t.Errorf("%s: exit code 1 is clean, which it is for none of them", d.Name)
		case len(d.ExitCodes.Error) == 0 && d.Name != "flawfinder", d.Remarks == "", d.Sample == "":
			t.Errorf("%s: no code of failure, remark or sample", d.Name)
		case len(d.VersionArgs) == 0:
			t.Errorf("%s: nothing prints its version", d.Name)
		}
	}
	for _, name := range []string{"custom", "gitleaks"} {
		text, ok := BuiltinYAML(name)
		if _, err := ParseDefinition(text); !ok || err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := BuiltinYAML("../builtin_test"); ok {
		t.Error("a file is read that is no definition")
	}
}

var anyPlaceholder = regexp.MustCompile(`\{[a-z_]+\}`)

// Whatever the settings, every placeholder is filled, the scanner is told where the target and the SARIF are, and it
// gets nothing of the environment that is not declared.
func TestBuiltinInvocations(t *testing.T) {
	for _, name := range []string{
		"API_KEY", "REDIVER_SERVER_TOKEN", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "SSH_AUTH_SOCK", "NODE_OPTIONS",
		"LD_PRELOAD", "PYTHONPATH", "GOFLAGS", "GITLEAKS_CONFIG", "KICS_CONFIG", "TRIVY_CONFIG", "SEMGREP_APP_TOKEN",
	} {
		t.Setenv(name, "secret-of-the-agent")
	}
	t.Setenv("HTTPS_PROXY", "http://proxy.example")
	for _, d := range Builtin() {
		for _, v := range everyWay(t, &d) {
			args, env := v.arguments(), environment(v.env(), "/tmp", 0)
			all := strings.Join(slices.Concat(args, env), "\n")
			if left := anyPlaceholder.FindString(all); left != "" {
				t.Errorf("%s: %s is not filled in", d.Name, left)
			}
			if strings.Contains(all, "secret-of-the-agent") {
				t.Errorf("%s: it gets a secret of the agent: %q", d.Name, env)
			}
			joined := strings.Join(args, " ")
			if !d.Stdout && !strings.Contains(joined, "/o") || !d.InTarget && !strings.Contains(joined, "/t") {
				t.Errorf("%s: target or output is missing in %q", d.Name, args)
			}
			if got := strings.Contains(all, "proxy.example"); got != (d.Network && !v.offline) {
				t.Errorf("%s: offline %v, network %v, but proxy told %v", d.Name, v.offline, d.Network, got)
			}
		}
	}
}

// What keeps the scanned repository from configuring each scanner, as it was found out with the scanner itself.
func TestBuiltinIsolation(t *testing.T) {
	private := "private directory" // the configuration is looked up where the scanner runs, which is not the target
	want := map[string]string{
		"bandit": "--ini=/c --ignore-nosec", "checkov": "refused", "eslint": "--no-config-lookup --config=/c --no-inline-config",
		"flawfinder": "--neverignore", "gitleaks": "--config=/c --ignore-gitleaks-allow", "golangci-lint": "--config=/c",
		"gosec": "none", "grype": private, "kics": "--config=/c", "osv-scanner": "--config=/c", "semgrep": private,
		"staticcheck": "-checks=all,-SA9003,-ST1000,-ST1003,-ST1016,-ST1020,-ST1021,-ST1022,-ST1023",
		"tfsec":       "--config-file=/c --custom-check-dir=. --no-ignores", "trivy": private,
	}
	for _, d := range Builtin() {
		ways := everyWay(t, &d)
		isolated, open := strings.Join(ways[0].arguments(), " "), strings.Join(ways[2].arguments(), " ")
		switch w := want[d.Name]; w {
		case "":
			t.Errorf("%s: nobody has thought of its isolation", d.Name)
		case "refused":
			if len(d.RefusedBy) == 0 {
				t.Errorf("%s: refused by no file", d.Name)
			}
		case private:
			if d.InTarget {
				t.Errorf("%s: runs in the target, where it finds a configuration", d.Name)
			}
		case "none":
		default:
			if !strings.Contains(isolated, w) || strings.Contains(open, w) {
				t.Errorf("%s: want %q when isolated alone\nisolated %s\nnot      %s", d.Name, w, isolated, open)
			}
		}
	}
}

// What keeps each scanner from the network.
func TestBuiltinOffline(t *testing.T) {
	want := map[string]string{
		"golangci-lint": "GOPROXY=off", "gosec": "GOPROXY=off", "staticcheck": "GOPROXY=off", "grype": "GRYPE_DB_AUTO_UPDATE=false",
		"osv-scanner": "--offline", "tfsec": "--no-module-downloads", "trivy": "TRIVY_OFFLINE_SCAN=true",
		"checkov": "--skip-download", "semgrep": "--metrics=off", "kics": "DISABLE_CRASH_REPORT=1",
	}
	for _, d := range Builtin() {
		ways := everyWay(t, &d)
		all := slices.Concat(ways[1].arguments(), environment(ways[1].env(), "/tmp", 0))
		if w := want[d.Name]; w != "" && !slices.Contains(all, w) {
			t.Errorf("%s: no %s in %q", d.Name, w, all)
		} else if w == "" && (d.Network || len(d.Offline.Args)+len(d.Offline.Env) > 0) {
			t.Errorf("%s: it uses the network, and nobody has thought of offline", d.Name)
		}
	}
}

// The agent's own settings go before the cache that it would give a scanner.
func TestCacheOfTheOperator(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("names of variables have no case there")
	}
	d, _ := (&Table{defs: Builtin()}).Lookup("trivy")
	v := everyWay(t, &d)[0]
	env := environment(v.env(), "/tmp", 0)
	if !slices.Contains(env, "TRIVY_CACHE_DIR="+v.places["{cache}"]) {
		t.Errorf("no cache of its own: %q", env)
	}
	t.Setenv("TRIVY_CACHE_DIR", "/of/the/operator")
	if env = environment(v.env(), "/tmp", 0); !slices.Contains(env, "TRIVY_CACHE_DIR=/of/the/operator") {
		t.Errorf("the operator's cache is not used: %q", env)
	}
}

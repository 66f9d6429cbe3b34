package agentcmd

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"
)

// sample returns a text for a setting that is not its default, and the value it means.
func sample(t *testing.T, f configfile.Setting, i int) (text string, want any) {
	t.Helper()
	into := reflect.New(f.Value.Type()).Elem()
	switch {
	case f.Value.Type() == reflect.TypeFor[time.Duration]():
		text = fmt.Sprintf("%dm1s", i+1)
		into.SetInt(int64(time.Duration(i+1)*time.Minute + time.Second))
	case f.Value.Kind() == reflect.Bool:
		text = fmt.Sprint(!f.Value.Bool())
		into.SetBool(!f.Value.Bool())
	case f.Value.Kind() == reflect.String:
		text = fmt.Sprintf("text-%d", i)
		into.SetString(text)
	case f.Value.CanInt():
		text = fmt.Sprint(7000 + i)
		into.SetInt(int64(7000 + i))
	case f.Value.CanFloat():
		text = fmt.Sprintf("%d.25", i)
		into.SetFloat(float64(i) + 0.25)
	case f.Value.Type() == reflect.TypeFor[[]string]():
		text = fmt.Sprintf("one-%d,two", i)
		into.Set(reflect.ValueOf([]string{fmt.Sprintf("one-%d", i), "two"}))
	default:
		return "", nil
	}
	return text, into.Interface()
}

// yamlOf is a file that gives one setting a value.
func yamlOf(path []string, text string) string {
	var b strings.Builder
	for i, key := range path {
		fmt.Fprintf(&b, "%s%s:\n", strings.Repeat("  ", i), key)
	}
	return strings.TrimSuffix(b.String(), "\n") + " " + text + "\n"
}

func noEnv(string) (string, bool) { return "", false }

// get returns the value of a setting.
func get(t *testing.T, c *settings, key string) any {
	t.Helper()
	for _, f := range leaves(c) {
		if f.Key() == key {
			return f.Value.Interface()
		}
	}
	t.Fatalf("no setting %s", key)
	return nil
}

// Every setting of every package can be given in the file and in the environment, which goes before the file; and
// nothing else changes with it.
func TestEverySettingFromFileAndEnvironment(t *testing.T) {
	dir := t.TempDir()
	all := leaves(defaultConfig(exampleApp))
	names := map[string]string{}
	for i, f := range all {
		if other, taken := names[f.Env(exampleApp.EnvPrefix)]; taken {
			t.Errorf("%s and %s have one variable %s", other, f.Key(), f.Env(exampleApp.EnvPrefix))
		}
		names[f.Env(exampleApp.EnvPrefix)] = f.Key()
		text, want := sample(t, f, i)
		if want == nil {
			if f.Value.Kind() != reflect.Slice || f.Value.Type().Elem().Kind() != reflect.Struct { // a list of mappings, for the file alone
				t.Errorf("%s, a %s, cannot be set", f.Key(), f.Value.Type())
			}
			continue
		}
		path := filepath.Join(dir, "c.yaml")
		write(t, path, yamlOf(f.Path, text))
		c, file, err := loadConfig(path, exampleApp, noEnv)
		if err != nil || !reflect.DeepEqual(get(t, c, f.Key()), want) || !file.IsSet(f.Key()) {
			t.Errorf("file: %s: %s gives %v, %v", f.Key(), text, get(t, c, f.Key()), err)
		}
		other, later := sample(t, f, i+1000)
		if f.Value.Kind() == reflect.Bool {
			other, later = fmt.Sprint(f.Value.Bool()), f.Value.Bool()
		}
		env := func(name string) (string, bool) { return other, name == f.Env(exampleApp.EnvPrefix) }
		both, _, err := loadConfig(path, exampleApp, env)
		if err != nil || !reflect.DeepEqual(get(t, both, f.Key()), later) {
			t.Errorf("environment: %s=%s gives %v, %v", f.Env(exampleApp.EnvPrefix), other, get(t, both, f.Key()), err)
		}
		for _, g := range leaves(c) {
			if g.Key() != f.Key() && !reflect.DeepEqual(g.Value.Interface(), get(t, defaultConfig(exampleApp), g.Key())) {
				t.Errorf("%s changes %s", f.Key(), g.Key())
			}
		}
	}
}

// A key that no package has is refused in every section, with the nearest one that exists.
func TestUnknownKeysOfEverySection(t *testing.T) {
	for _, f := range leaves(defaultConfig(exampleApp)) {
		wrong := append([]string{}, f.Path...)
		last := len(wrong) - 1
		wrong[last] = wrong[last][:len(wrong[last])-1] + "qz"
		path := filepath.Join(t.TempDir(), "c.yaml")
		write(t, path, yamlOf(wrong, "1"))
		_, _, err := loadConfig(path, exampleApp, noEnv)
		place := fmt.Sprintf("%s:%d:%d: unknown key %q", path, last+1, 2*last+1, wrong[last])
		if err == nil || !strings.Contains(err.Error(), place) {
			t.Errorf("%v is not refused at its place: %v", wrong, err)
		}
	}
}

// All problems come at once, each at its place.
func TestValidateTellsAllProblems(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	path := filepath.Join(filepath.Dir(h.state), "bad.yaml")
	write(t, path, `chunk:
  max_storage_mbs: 100
  retention_hours: many
  compression_level: 99
agent:
  wait: soon
  job_source: moon
agent:
  id: twice
pipeline: 5
scan:
  bin_dirs: {a: b}
  nice: 50
scanners:
  - name: x
    comand: y
resource:
  cpu_threshold: 85
  cpu_threshold: 90
`)
	r := h.run("validate", path).want(ExitConfig)
	for _, want := range []string{
		`:2:3: unknown key "max_storage_mbs" in chunk; did you mean "max_storage_mb"?`,
		`:3:20: chunk.retention_hours: "many" is not a whole number`,
		`:4:3: chunk.compression_level: 99 is outside 1 to 9`,
		`:6:9: agent.wait: invalid duration "soon" (for example 90s`,
		`:7:3: agent.job_source: "moon": want dir or server`,
		`:8:1: key "agent" is set in line 5 already`,
		`:10:11: pipeline: want a mapping of settings`,
		`:12:13: scan.bin_dirs: want a single value`,
		`:13:3: scan.nice: 50 is outside 1 to 19`,
		`:16:5: unknown key "comand" in scanners.0; did you mean "command"?`,
		`:19:3: key "cpu_threshold" is set in line 18 already`,
	} {
		if !strings.Contains(settingNames(r.err), settingNames(path+want)) {
			t.Errorf("no %q in:\n%s", want, r.err)
		}
	}
	if !strings.Contains(r.err, "   6 |   wait: soon\n       |         ^") {
		t.Errorf("the place is not shown:\n%s", r.err)
	}
	// Every other command refuses such a file as well, and touches nothing.
	h.run("--config", path, "import", "x.sarif").want(ExitConfig, "unknown key")
	if _, err := os.Stat(h.state); !os.IsNotExist(err) {
		t.Errorf("state directory: %v", err)
	}
}

// settingNames makes all spellings of the names of settings in a text alike: "chunk: MaxRetries: " and "chunk.max_retries: ".
func settingNames(text string) string {
	return strings.ToLower(strings.NewReplacer("_", "", ": ", ".").Replace(text))
}

func TestValidate(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	dir := filepath.Dir(h.state)
	for name, c := range map[string]struct {
		text, says string
		code       int
	}{
		"good":        {"chunk: {MaxStorageMB: 10}\nagent:\n  wait: 1h30m\n", "is valid", ExitOK},
		"empty":       {"", "is valid", ExitOK},
		"comments":    {"# nothing\n", "is valid", ExitOK},
		"null":        {"chunk:\nagent: ~\n", "is valid", ExitOK},
		"list":        {"- a\n", "want a mapping of settings", ExitConfig},
		"documents":   {"{}\n---\n{}\n", "more than one YAML document", ExitConfig},
		"syntax":      {"agent:\n  id: [\n", ".yaml:", ExitConfig},
		"binary":      {"\x00\x01", "", ExitConfig},
		"alias":       {"agent: &a {id: x}\nserver: *a\n", "aliases are not supported", ExitConfig},
		"merge":       {"agent:\n  <<: {id: x}\n", "unknown key", ExitConfig},
		"bomb":        {"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "unknown key", ExitConfig},
		"bool":        {"chunk: {drop_unsent: perhaps}\n", "neither true nor false", ExitConfig},
		"number":      {"resource: {cpu_threshold: high}\n", "is not a number", ExitConfig},
		"too-large":   {"chunk: {retention_hours: 99999999999999999999}\n", "is not a whole number", ExitConfig},
		"scanner":     {"scanners: [{name: x, command: y}]\n", "nothing says where the SARIF is", ExitConfig},
		"same-name":   {"scanners: [{name: x, command: y, stdout: true, in_target: true}]\n", "is valid", ExitOK},
		"token":       {"server: {url: https://example.com, token_file: " + dir + "/none}\n", "server.token_file", ExitConfig},
		"two-limits":  {"limits:\n  network:\n    read_timeout: -5s\n    idle_timeout: -5s\n", ".yaml:4:5: limits.network.idle_timeout: -5s", ExitConfig},
		"agent-id":    {"agent: {id: my host}\n", ".yaml:1:9: agent: id: ", ExitConfig},
		"no-secrets":  {"server: {token: swordfish}\n", `unknown key "token" in server; did you mean "token_file"?`, ExitConfig},
		"infinite":    {"resource: {cpu_threshold: .inf}\n", "resource", ExitConfig},
		"nan":         {"resource: {cpu_warning: nan}\n", "resource", ExitConfig},
		"url":         {"server: {url: 'not a url'}\n", ".yaml:1:10: server: ", ExitConfig},
		"ingest":      {"ingest:\n  limits:\n    max_parts: -5\n", ".yaml:3:5: ingest.limits.max_parts: -5", ExitConfig},
		"deep-limits": {"scan:\n  sarif_limits:\n    max_depth: -5\n", ".yaml:3:5: scan: ", ExitConfig},
		"network":     {"limits:\n  network:\n    read_timeout: -5s\n", ".yaml:3:5: limits.network.read_timeout: ", ExitConfig},
	} {
		path := filepath.Join(dir, name+".yaml")
		write(t, path, c.text)
		r := h.run("validate", path)
		if r.code != c.code || !strings.Contains(settingNames(r.out+r.err), settingNames(c.says)) {
			t.Errorf("%s: exit %d, want %d and %q:\n%s%s", name, r.code, c.code, c.says, r.out, r.err)
		}
	}
	var v map[string]any
	h.run("validate", "-o", "json", filepath.Join(dir, "good.yaml")).want(ExitOK).decode(&v)
	if v["valid"] != true {
		t.Errorf("%v", v)
	}
	h.run("validate", filepath.Join(dir, "nowhere.yaml")).want(ExitConfig, "no such file")
	write(t, filepath.Join(dir, "huge.yaml"), strings.Repeat("# x\n", configfile.MaxBytes/4+1))
	h.run("validate", filepath.Join(dir, "huge.yaml")).want(ExitConfig, "over 1048576 bytes")
}

// Flags go before the environment, the environment before the file.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	h := newHome(t, "server: {url: http://127.0.0.1:1}\n")
	state := func(suffix string) string { return h.state + suffix }
	bare := func(env []string, args ...string) *result {
		h.t.Helper()
		cmd := h.command(args...)
		cmd.Args = append([]string{cmd.Args[0], "--config", h.config}, args...)
		cmd.Env = append(cmd.Env, env...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return &result{t: t, args: args, code: cmd.ProcessState.ExitCode(), err: string(out)}
	}
	write(t, h.config, plainConfig[:strings.LastIndex(plainConfig, "agent:")]+"agent: {state_dir: "+state("-file")+"}\nserver: {url: http://127.0.0.1:1}\n")
	exists := func(suffix string) bool {
		_, err := os.Stat(filepath.Join(state(suffix), "audit.log"))
		return err == nil
	}
	sarif := filepath.Join(files(t, map[string]string{"a": results(1)}), "a")
	bare(nil, "import", "--wait", "1ms", sarif).want(ExitUnavailable)
	if !exists("-file") {
		t.Error("the file's state directory was not used")
	}
	bare([]string{"REDIVER_STATE_DIR=" + state("-env"), "REDIVER_WAIT=1ms"}, "import", sarif).want(ExitUnavailable)
	if !exists("-env") {
		t.Error("the environment does not go before the file")
	}
	bare([]string{"REDIVER_STATE_DIR=" + state("-env2"), "REDIVER_WAIT=1h"}, "import", "--state-dir", state("-flag"), "--wait", "1ms", sarif).want(ExitUnavailable)
	if exists("-env2") || !exists("-flag") {
		t.Error("the flag does not go before the environment")
	}
	bare([]string{"REDIVER_CHUNK_RETENTION_HOURS=many"}, "import", sarif).want(ExitConfig, `environment variable REDIVER_CHUNK_RETENTION_HOURS: "many" is not a whole number`)
	bare([]string{"REDIVER_WAIT=soon"}, "import", sarif).want(ExitUsage, `REDIVER_WAIT "soon"`)
	bare([]string{"REDIVER_OUTPUT=xml"}, "version").want(ExitUsage, "xml")
	bare([]string{"REDIVER_OUTPUT=json", "REDIVER_STATE_DIR=" + state("-q")}, "queue", "list").want(ExitOK, "[]")
}

func TestVersion(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	var v versionInfo
	h.run("version", "-o", "json").want(ExitOK).decode(&v)
	if v.Go == "" || v.Version == "" || v.Platform == "" {
		t.Errorf("%+v", v)
	}
	h.run("version").want(ExitOK, "example-agent "+exampleApp.Version, "DEPENDENCY")
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte("agent:\n  wait: 1s\nscanners:\n  - {name: x, args: [a]}\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "c.yaml")
		write(t, path, string(b))
		c, file, err := loadConfig(path, exampleApp, noEnv)
		if c == nil {
			t.Fatal("no configuration")
		}
		if err == nil {
			err = c.check(exampleApp, file)
		}
		if err != nil && err.Error() == "" {
			t.Error("Error() is empty")
		}
	})
}

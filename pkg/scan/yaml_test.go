package scan

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

const minimal = "name: mine\ncommand: mine\nargs: ['{target}', '{output}']\n"

func TestParseDefinition(t *testing.T) {
	d, err := ParseDefinition([]byte(`
name: mine
command: mine
args: ["--depth", 3, "{isolation}", "{offline}", "{target}", "{output}"]
exit_codes: {clean: [0], findings: [3], error: [9]}
isolation: {args: [--no-config], env: [A=b]}
offline: {args: [--offline]}
database: {args: [db], key: built}
sample: go
memory_bytes: 1048576
`))
	want := Definition{
		Name: "mine", Command: "mine", Args: []string{"--depth", "3", "{isolation}", "{offline}", "{target}", "{output}"},
		ExitCodes: ExitCodes{[]int{0}, []int{3}, []int{9}}, Isolation: Flags{[]string{"--no-config"}, []string{"A=b"}},
		Offline: Flags{Args: []string{"--offline"}}, Database: Database{Args: []string{"db"}, Key: "built"},
		Sample: "go", MemoryBytes: 1 << 20,
	}
	if err != nil || !reflect.DeepEqual(d, want) {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestParseDefinitionRefuses(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'l'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 10), ","))
	}
	for name, tt := range map[string]struct{ text, want string }{
		"empty":          {"", "no YAML"},
		"unknown key":    {minimal + "exit_code: [1]\n", "line 4: unknown key exit_code"},
		"unknown inside": {minimal + "exit_codes:\n  cleen: [1]\n", "line 5: unknown key cleen"},
		"twice":          {minimal + "name: other\n", "line 4"},
		"wrong type":     {minimal + "slots: many\n", "line 4"},
		"two documents":  {minimal + "---\n" + minimal, "more than one YAML document"},
		"too large":      {minimal + "# " + strings.Repeat("x", MaxDefinitionBytes), "at most 65536"},
		"list":           {"- name: a\n", "line 1"},
		"broken":         {"name: [", "yaml"},
		"bomb":           {bomb, "unknown key"},
		"not valid":      {"name: mine\ncommand: ''\nargs: ['{target}', '{output}']\nslots: 5000\n", "command is empty"},
	} {
		_, err := ParseDefinition([]byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: want %q, got %v", name, tt.want, err)
		} else if strings.Contains(err.Error(), "scan.") {
			t.Errorf("%s: words of Go: %v", name, err)
		}
	}
}

func TestReadDefinitions(t *testing.T) {
	dir := tree(t, map[string]string{"mine.yaml": minimal, "note.txt": "{", ".hidden.yaml": "{"})
	defs, err := ReadDefinitions(dir)
	if err != nil || len(defs) != 1 || defs[0].Name != "mine" {
		t.Fatalf("got %+v, %v", defs, err)
	}
	if defs, err = ReadDefinitions(filepath.Join(dir, "none")); err != nil || defs != nil {
		t.Errorf("no directory: %+v, %v", defs, err)
	}
	if _, err = ReadDefinitions(filepath.Join(dir, "note.txt")); err == nil {
		t.Error("a file is no directory")
	}
	dir = tree(t, map[string]string{"other.yaml": minimal, "bad.yaml": "nmae: x\n", "open.yaml": minimal, "dir.yaml/x": ""})
	if err := os.Chmod(filepath.Join(dir, "open.yaml"), fs.FileMode(0o666)); err != nil {
		t.Fatal(err)
	}
	wants := []string{"other.yaml: it defines \"mine\": call the file mine.yaml", "bad.yaml: line 1: unknown key nmae", "dir.yaml: no regular file"}
	if runtime.GOOS != "windows" {
		wants = append(wants, "open.yaml: mode 0666: everybody may write it")
	}
	_, err = ReadDefinitions(dir)
	for _, want := range wants {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestReadDefinitionsRefusesAnOpenDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes do not say who may write there")
	}
	dir := tree(t, map[string]string{"mine.yaml": minimal})
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadDefinitions(dir); err == nil || !strings.Contains(err.Error(), "mode 0777: everybody may put definitions into it") {
		t.Errorf("got %v", err)
	}
}

// FuzzParseDefinition: whatever is accepted is valid, and can be turned into a command line.
func FuzzParseDefinition(f *testing.F) {
	for _, d := range Builtin() {
		text, _ := BuiltinYAML(d.Name)
		f.Add(text)
	}
	f.Add([]byte(minimal))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("args: !!binary aGk=\n<<: {name: x}\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ParseDefinition(text)
		if err != nil {
			return
		}
		if err := d.Validate(); err != nil {
			t.Fatalf("accepted, and not valid: %v", err)
		}
		v := invocation{Definition: &d, places: map[string]string{"{target}": dir, "{cache}": dir}, offline: true, isolated: true}
		if len(v.arguments()) > len(d.Args)+len(d.Isolation.Args)*len(d.Args)+len(d.Offline.Args)*len(d.Args) {
			t.Error("more arguments than were given")
		}
		environment(v.env(), dir, 0)
		if c := d.clone(); !reflect.DeepEqual(c, d) {
			t.Errorf("the copy is another one: %+v, %+v", c, d)
		}
	})
}

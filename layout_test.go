package sdk_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/rediverio/sdk"

// Modules that only one room each may link, so that who imports another room does not carry them.
const (
	backoff    = "github.com/cenkalti/backoff/v4"
	cobra      = "github.com/spf13/cobra"
	pflag      = "github.com/spf13/pflag"
	gopsutil   = "github.com/shirou/gopsutil/v3"
	klauspost  = "github.com/klauspost/compress"
	lumberjack = "gopkg.in/natefinch/lumberjack.v2"
	sqlite     = "modernc.org/sqlite"
	yaml       = "go.yaml.in/yaml/v3"
	sysx       = "golang.org/x/sys"
	termx      = "golang.org/x/term"
	timex      = "golang.org/x/time"
)

// rooms says who may import whom, packages of this module and modules of others. Tests may import more. What is
// not listed here may not exist: a new package starts with a new row.
var rooms = map[string][]string{
	".": {},

	// level 0: words and ground
	"pkg/event": {"internal/config"},

	"pkg/job": {"internal/filelock"},

	"pkg/report": {"internal/jsonx"},

	"internal/jsonx": {},

	"internal/codec": {"internal/config", klauspost},

	"internal/config": {},

	"internal/httpx": {},

	"internal/redact": {},

	"internal/retry": {backoff},

	"internal/diskspace": {sysx},

	"internal/filelock": {sysx},

	"internal/homedir": {},

	"internal/proc": {sysx},

	"internal/tail": {},

	"internal/fair": {},

	"internal/sqlitedb": {"internal/config", "internal/fair", "internal/filelock", sqlite, sysx},

	"internal/term": {},

	// level 1
	"pkg/report/sarif": {"pkg/report", "internal/config", "internal/jsonx"},

	"pkg/part": {"pkg/report", "internal/codec", "internal/jsonx", "internal/config"},

	"pkg/audit": {"pkg/event", "pkg/audit/internal/logfile", "pkg/audit/internal/ship", "internal/config", "internal/diskspace", "internal/filelock", "internal/homedir", "internal/jsonx", "internal/redact", "internal/retry", "internal/codec", lumberjack},

	"pkg/audit/internal/logfile": {"pkg/event", "internal/codec", "internal/homedir"},

	"pkg/audit/internal/ship": {"pkg/event", "pkg/audit/internal/logfile", "internal/codec", "internal/httpx", "internal/retry"},

	"pkg/audit/auditlog": {"pkg/event", "pkg/audit/internal/logfile", "internal/jsonx", "internal/config"},

	"pkg/resource": {"pkg/event", "internal/config", "internal/diskspace", gopsutil, sysx},

	"pkg/chunk": {"pkg/part", "pkg/report", "pkg/event", "pkg/chunk/internal/schema", "pkg/chunk/internal/salvage", "internal/config", "internal/filelock", "internal/homedir", "internal/sqlitedb"},

	"pkg/chunk/internal/schema": {},

	"pkg/chunk/internal/walimage": {"internal/sqlitedb", sqlite},

	"pkg/chunk/internal/salvage": {"pkg/event", "pkg/part", "pkg/chunk/internal/schema", "pkg/chunk/internal/walimage", "internal/sqlitedb"},

	"pkg/pipeline": {"pkg/part", "pkg/report", "pkg/event", "internal/config", "internal/retry"},

	"pkg/ingest": {"pkg/job", "pkg/part", "pkg/report", "pkg/event", "pkg/ingest/internal/wire", "internal/codec", "internal/config", "internal/httpx"},

	"pkg/ingest/internal/wire": {"pkg/report"},

	"pkg/ingest/server": {"pkg/ingest", "pkg/ingest/internal/wire", "pkg/report", "pkg/event", "internal/codec", "internal/config", "internal/fair", "internal/filelock", "internal/jsonx", "internal/sqlitedb"},

	// level 2
	"pkg/limits": {"pkg/event", "pkg/resource", "internal/config", "internal/diskspace"},

	"pkg/limits/transport": {"pkg/limits", timex},

	"pkg/scan": {"internal/config", "pkg/part", "pkg/report", "pkg/report/sarif", "pkg/event", "internal/proc", "internal/tail", yaml, "pkg/scan/pool", "internal/config"},

	"pkg/watch": {"pkg/event", "internal/proc"},

	"pkg/scan/pool": {"pkg/event", "internal/proc", "internal/tail", "internal/config", "internal/retry"},

	// level 3
	"pkg/agent": {"pkg/job", "pkg/part", "pkg/report", "pkg/event", "pkg/resource", "pkg/limits", "pkg/scan", "pkg/pipeline", "internal/config", "internal/retry"},

	// test kits: for tests, ours and those of users
	"pkg/ingest/ingesttest": {"pkg/ingest", "pkg/ingest/server", "pkg/part", "pkg/report", "pkg/event", "internal/codec"},

	"pkg/scan/scantest": {"pkg/scan", "pkg/part", "pkg/report", "pkg/report/sarif", "pkg/event", "internal/proc"},

	"internal/crashtest": {},

	"internal/smalldisk": {},

	"internal/testkit": {"pkg/event"},

	"pkg/sdktest": {"pkg/agent", "internal/config", "pkg/pipeline", "pkg/job", "pkg/part", "pkg/report", "pkg/event", "pkg/resource", "pkg/scan"},

	// level 4: the command line of an agent, which may import every room but the test kits
	"pkg/agentcmd": {"internal", "pkg", cobra, pflag, termx},

	"pkg/agentcmd/internal/configfile": {"internal/config", yaml},
	"pkg/agentcmd/internal/control":    {"pkg/chunk", "pkg/ingest/server"},

	// level 5: programs
	"cmd/example-agent": {"pkg/agentcmd"},

	"examples/acme-agent": {"pkg/agent", "pkg/agentcmd", "pkg/part", "pkg/pipeline", "pkg/report", "pkg/scan"},
}

// kits are never part of a program.
var kits = []string{"pkg/ingest/ingesttest", "pkg/scan/scantest", "pkg/sdktest", "internal/smalldisk", "internal/testkit"}

// longFiles lists the files that may be longer than maxLines, with the reason.
var longFiles = map[string]string{}

const maxLines = 350

func TestLayoutImports(t *testing.T) {
	for dir, files := range sources(t) {
		row, ok := rooms[dir]
		if !ok && strings.HasPrefix(dir, "cmd/") {
			row, ok = rooms["cmd/example-agent"], true
		}
		if !ok {
			t.Errorf("package %s is in no row of layout_test.go: say what it may import", dir)
			continue
		}
		for _, f := range files {
			for _, imp := range f.Imports {
				name, err := strconv.Unquote(imp.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if why := illegal(name, row); why != "" {
					t.Errorf("%s imports %s: %s", path.Join(dir, f.name), name, why)
				}
			}
		}
	}
}

// illegal says why a package with this row may not import name, or nothing.
func illegal(name string, row []string) string {
	domain, _, _ := strings.Cut(name, "/")
	if name == "C" {
		return "cgo is not used, so that every platform cross-builds"
	}
	if !strings.Contains(domain, ".") {
		return "" // standard library
	}
	target := strings.TrimPrefix(name, module+"/")
	own := target != name
	if own && slices.Contains(kits, target) && !slices.Contains(row, target) {
		return "a test kit is for tests"
	}
	for _, allowed := range row {
		tree := !own || !strings.Contains(allowed, "/") // the packages of a module; all of pkg
		if target == allowed || tree && strings.HasPrefix(target, allowed+"/") {
			return ""
		}
	}
	return "its row in layout_test.go allows only " + strings.Join(row, ", ")
}

func TestLayoutRule(t *testing.T) {
	for _, c := range []struct {
		dir, imports string
		legal        bool
	}{
		{"pkg/pipeline", "context", true},
		{"pkg/pipeline", module + "/pkg/report", true},
		{"pkg/pipeline", module + "/pkg/report/sarif", false},
		{"pkg/pipeline", module + "/pkg/chunk", false},
		{"pkg/event", module + "/pkg/job", false},
		{"internal/codec", klauspost + "/zstd", true},
		{"pkg/report", klauspost + "/zstd", false},
		{"pkg/agent", sqlite, false},
		{"pkg/agent", "C", false},
		{"pkg/agentcmd", module + "/pkg/chunk", true},
		{"pkg/agentcmd", module + "/pkg/sdktest", false},
		{"pkg/agentcmd", sqlite, false},
		{"cmd/example-agent", module + "/pkg/chunk", false},
		{"pkg/resource", gopsutil + "/cpu", true},
	} {
		if why := illegal(c.imports, rooms[c.dir]); (why == "") != c.legal {
			t.Errorf("%s importing %s: legal should be %v, got %q", c.dir, c.imports, c.legal, why)
		}
	}
}

func TestLayoutTableHasNoCycle(t *testing.T) {
	const inHand, done = 1, 2
	state := map[string]int{}
	var visit func(dir string, way []string)
	visit = func(dir string, way []string) {
		if state[dir] == inHand {
			t.Errorf("the table has a cycle: %s", strings.Join(append(way, dir), " → "))
		}
		if state[dir] != 0 {
			return
		}
		state[dir] = inHand
		for _, next := range rooms[dir] {
			visit(next, append(way, dir))
		}
		state[dir] = done
	}
	for dir := range rooms {
		visit(dir, nil)
	}
}

func TestLayoutPackageComments(t *testing.T) {
	for dir, files := range sources(t) {
		comments := 0
		for _, f := range files {
			if f.Doc != nil && strings.TrimSpace(f.Doc.Text()) != "" {
				comments++
			}
		}
		if comments != 1 {
			t.Errorf("package %s has %d package comments, want 1", dir, comments)
		}
	}
}

func TestLayoutFileSizes(t *testing.T) {
	for dir, files := range sources(t) {
		for _, f := range files {
			name := path.Join(dir, f.name)
			if f.lines > maxLines && longFiles[name] == "" {
				t.Errorf("%s has %d lines, at most %d: split it by verb, or give a reason in longFiles", name, f.lines, maxLines)
			}
		}
	}
}

// TestLayoutMachinePaths keeps the paths of the machine something was written on out of the repository.
func TestLayoutMachinePaths(t *testing.T) {
	out, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		t.Skipf("no git checkout: %v", err)
	}
	foreign := regexp.MustCompile(`(^|[\s"'(=:` + "`" + `])/(work/(main|shared|clone)|root/go|home/[a-z]+/(go|src))\b`)
	for _, name := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
		if strings.Contains(name, "testdata/") || name == "layout_test.go" {
			continue // testdata holds what real tools wrote
		}
		b, err := os.ReadFile(name)
		if err != nil {
			continue // deleted here, not yet in the index
		}
		for i, line := range bytes.Split(b, []byte("\n")) {
			if foreign.Match(line) {
				t.Errorf("%s:%d: a path of one machine: %.100s", name, i+1, line)
			}
		}
	}
}

type source struct {
	*ast.File
	name  string
	lines int
}

// sources parses every file of the module that is no test, whatever platform it is for, by package directory.
func sources(t *testing.T) map[string][]source {
	t.Helper()
	found := map[string][]source{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			return skipDir(name, d)
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, name, b, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		found[dir] = append(found[dir], source{f, path.Base(name), bytes.Count(b, []byte("\n"))})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func skipDir(name string, d fs.DirEntry) error {
	if name == "." {
		return nil
	}
	base := d.Name()
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	if err == nil || base == "testdata" || base == "bin" || base == "dist" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir // another module, or no source
	}
	return nil
}

package agentcmd

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/limits"
)

const repoRoot = "../.."

// documents are the pages that people read: README.md, CHANGELOG.md and everything in docs.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	add := func(name string) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(b)
	}
	add(filepath.Join(repoRoot, "README.md"))
	add(filepath.Join(repoRoot, "CHANGELOG.md"))
	err := filepath.WalkDir(filepath.Join(repoRoot, "docs"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".md") {
			add(name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var (
	docLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	docHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	docFence   = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```")
	docTest    = regexp.MustCompile("`((?:Test|Fuzz|Benchmark|Example)[A-Z][A-Za-z0-9]*)`")
	docName    = regexp.MustCompile("`([a-z]+)\\.([A-Z][A-Za-z0-9]*)")
	docCommand = regexp.MustCompile(`\b(?:example|acme)-agent ([a-z-][^|;&)#<>]*)`)
)

// TestDocsLinks holds every relative link to a file, and to a heading in it.
func TestDocsLinks(t *testing.T) {
	for name, text := range documents(t) {
		for _, m := range docLink.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			path := name
			if target != "" {
				path = filepath.Join(filepath.Dir(name), filepath.FromSlash(target))
			}
			b, err := os.ReadFile(path)
			if st, e := os.Stat(path); e == nil && st.IsDir() {
				continue
			}
			if err != nil {
				t.Errorf("%s: link to %s: %v", name, m[1], err)
			} else if anchor != "" && !hasAnchor(string(b), anchor) {
				t.Errorf("%s: link to %s: no such heading", name, m[1])
			}
		}
	}
}

func hasAnchor(text, anchor string) bool {
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, h := range docHeading.FindAllStringSubmatch(text, -1) {
		if strings.ReplaceAll(strings.ToLower(drop.ReplaceAllString(h[1], "")), " ", "-") == anchor {
			return true
		}
	}
	return false
}

// TestDocsCommands holds every command line in a block of shell to the verbs and flags there are.
func TestDocsCommands(t *testing.T) {
	lines := 0
	for name, text := range documents(t) {
		for _, block := range docFence.FindAllStringSubmatch(text, -1) {
			if block[1] != "sh" && block[1] != "console" && block[1] != "ini" && block[1] != "yaml" {
				continue
			}
			for _, line := range strings.Split(strings.ReplaceAll(block[2], "\\\n", " "), "\n") {
				if block[1] == "console" && !strings.HasPrefix(line, "$ ") {
					continue // output
				}
				line, _, _ = strings.Cut(line, " #")
				for _, m := range docCommand.FindAllStringSubmatch(line, -1) {
					lines++
					if err := parses(m[1]); err != nil {
						t.Errorf("%s: example-agent %s: %v", name, m[1], err)
					}
				}
			}
		}
	}
	if lines < 20 {
		t.Errorf("only %d command lines were found: does the test still know one when it sees it?", lines)
	}
}

// parses says whether the command line would get as far as its verb.
func parses(line string) error {
	app := exampleApp
	app.Commands = []Command{{Name: "words"}} // of acme-agent
	root := (&cli{App: app}).root()
	cmd, args, err := root.Find(strings.Fields(strings.NewReplacer(`"`, "", "'", "").Replace(line)))
	if err != nil {
		return err
	}
	if !cmd.Runnable() && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return fmt.Errorf("no verb %q", args[0])
	}
	if slices.Contains(args, "--help") {
		return nil
	}
	if err := cmd.ParseFlags(args); err != nil {
		return err
	}
	if cmd.Args != nil && cmd.Runnable() {
		return cmd.Args(cmd, cmd.Flags().Args())
	}
	return nil
}

var flagUsage = regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z-]+)`)

// TestDocsNameEveryVerbAndFlag holds docs/commands.md to all verbs and flags there are.
func TestDocsNameEveryVerbAndFlag(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(repoRoot, "docs", "commands.md"))
	if err != nil {
		t.Fatal(err)
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() && sub.Name() != "help" {
				walk(sub)
			}
		}
		if c.HasParent() && !strings.Contains(string(b), c.CommandPath()) {
			t.Errorf("docs/commands.md does not name %q", c.CommandPath())
		}
		for _, m := range flagUsage.FindAllStringSubmatch(c.LocalFlags().FlagUsages(), -1) {
			if m[1] != "--help" && !strings.Contains(string(b), "`"+m[1]) {
				t.Errorf("docs/commands.md does not name %s of %s", m[1], c.CommandPath())
			}
		}
	}
	walk((&cli{App: exampleApp}).root())
}

// TestDocsPrograms compiles the Go programs that the pages show, and runs the tests.
func TestDocsPrograms(t *testing.T) {
	programs := 0
	for name, text := range documents(t) {
		for _, block := range docFence.FindAllStringSubmatch(text, -1) {
			if block[1] != "go" {
				continue
			}
			programs++
			if !strings.HasPrefix(block[2], "package ") {
				t.Errorf("%s: a piece of Go that is no whole file, so that nothing can check it:\n%s", name, block[2])
				continue
			}
			verb, file := "vet", filepath.Join(t.TempDir(), "main.go")
			if strings.Contains(block[2], `"testing"`) {
				verb, file = "test", strings.TrimSuffix(file, ".go")+"_test.go"
			}
			if err := os.WriteFile(file, []byte(block[2]), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("go", verb, file)
			cmd.Dir = repoRoot
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s\n%s", name, err, out, block[2])
			}
		}
	}
	if programs < 3 {
		t.Errorf("only %d programs were found", programs)
	}
}

// formerNames are the parts of the changelog that name what existed before: the first column of a table and a section.
var formerNames = regexp.MustCompile(`(?ms)^\| [^|
]*\||^### Removed$.*?^### `)

// TestDocsNames holds the tests and the exported names that the pages cite to those there are.
func TestDocsNames(t *testing.T) {
	names, tests := declared(t)
	for name, text := range documents(t) {
		if filepath.Base(name) == "CHANGELOG.md" {
			text = formerNames.ReplaceAllString(text, "")
		}
		for _, m := range docTest.FindAllStringSubmatch(text, -1) {
			if !tests[m[1]] {
				t.Errorf("%s cites %s, which does not exist", name, m[1])
			}
		}
		for _, m := range docName.FindAllStringSubmatch(text, -1) {
			if known, ours := names[m[1]]; ours && !known[m[2]] {
				t.Errorf("%s cites %s.%s, which does not exist", name, m[1], m[2])
			}
		}
	}
}

// declared are the top-level names by package name, and the tests.
func declared(t *testing.T) (names map[string]map[string]bool, tests map[string]bool) {
	names, tests = map[string]map[string]bool{}, map[string]bool{}
	fset := token.NewFileSet()
	for _, top := range []string{"pkg", "internal", "cmd", "examples", "."} {
		err := filepath.WalkDir(filepath.Join(repoRoot, top), func(path string, d fs.DirEntry, err error) error {
			if err == nil && top == "." && d.IsDir() && path != filepath.Join(repoRoot, top) {
				return fs.SkipDir
			}
			if err != nil || !strings.HasSuffix(path, ".go") {
				return err
			}
			f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return nil // the compiler reports it
			}
			pkg := f.Name.Name
			if names[pkg] == nil {
				names[pkg] = map[string]bool{}
			}
			for _, decl := range f.Decls {
				declaredBy(decl, names[pkg], tests)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names, tests
}

func declaredBy(decl ast.Decl, names, tests map[string]bool) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		names[d.Name.Name] = true
		if d.Recv == nil {
			tests[d.Name.Name] = true
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				names[s.Name.Name] = true
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names[n.Name] = true
				}
			}
		}
	}
}

// TestDocsNameEveryEventAndLimit: what an operator meets in a log or sets in a file is explained.
func TestDocsNameEveryEventAndLimit(t *testing.T) {
	pages := documents(t)
	for _, typ := range event.Types() {
		if !strings.Contains(pages[filepath.Join(repoRoot, "docs", "formats.md")], "| `"+string(typ)+"` |") {
			t.Errorf("docs/formats.md does not name the event %s", typ)
		}
	}
	for _, f := range configfile.Leaves(configfile.Setting{Value: reflect.ValueOf(limits.Limits{})}.Members()) {
		if !strings.Contains(pages[filepath.Join(repoRoot, "docs", "limits.md")], "| `"+f.Key()+"` |") {
			t.Errorf("docs/limits.md does not name %s", f.Key())
		}
	}
}

// TestExampleConfiguration holds the example file to what the program accepts.
func TestExampleConfiguration(t *testing.T) {
	a := &cli{App: exampleApp, env: func(string) (string, bool) { return "", false }}
	a.flags.config = filepath.Join(repoRoot, "docs", "agent.example.yaml")
	if err := a.load(); err != nil {
		t.Fatal(err)
	}
	if len(a.cfg.Scanners) == 0 || a.cfg.Server.TokenFile == "" {
		t.Error("the example shows neither a custom scanner nor a token file")
	}
	if _, err := a.cfg.scanConfig(nil); err != nil {
		t.Fatal(err)
	}
}

package sdk_test

import (
	"flag"
	"fmt"
	"go/doc"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/packages.md and the listings in api/ again")

// dependencies returns the packages that the given packages link, as go list names them.
func dependencies(t *testing.T, packages ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-deps"}, packages...)...).Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v", strings.Join(packages, " "), err)
	}
	return strings.Fields(string(out))
}

// TestReachHeavyModules holds the promise that a program which imports one room links only that room's modules.
func TestReachHeavyModules(t *testing.T) {
	heavy := []string{sqlite, lumberjack, cobra, yaml, gopsutil}
	for dir, allowed := range map[string][]string{
		"pkg/pipeline": nil,
		"pkg/ingest":   nil,
		"pkg/report":   nil,
		"pkg/resource": {gopsutil},
		"pkg/scan":     {yaml}, // definitions of scanners are YAML
		"pkg/limits":   {gopsutil},
		"pkg/agent":    {gopsutil, yaml},
		"pkg/chunk":    {sqlite},
	} {
		for _, dep := range dependencies(t, "./"+dir) {
			for _, module := range heavy {
				if (dep == module || strings.HasPrefix(dep, module+"/")) && !slices.Contains(allowed, module) {
					t.Errorf("%s links %s", dir, dep)
				}
			}
		}
	}
}

// TestReachEveryPackage fails for a package of pkg that no program and no example links. The test kits are
// linked by tests alone, ours and those of users.
func TestReachEveryPackage(t *testing.T) {
	linked := dependencies(t, "./cmd/...", "./examples/...")
	for dir := range rooms {
		if strings.HasPrefix(dir, "pkg/") && !slices.Contains(kits, dir) && !slices.Contains(linked, module+"/"+dir) {
			t.Errorf("no program and no example links %s: wire it or remove it", dir)
		}
	}
}

// TestPackagesDoc holds docs/packages.md to the table in layout_test.go. The flag -update writes the page.
func TestPackagesDoc(t *testing.T) {
	const page = "docs/packages.md"
	var b strings.Builder
	b.WriteString(`# Packages, and what each may import

Each package is one noun. It may import only what its row allows; the table is generated from
[layout_test.go](../layout_test.go), which fails for any other import (` + "`go test -run TestLayout .`" + `). To write this page again
after a change of the table: ` + "`go test -run TestPackagesDoc . -args -update`" + `.

| package | what it is | may import of this module | may import of others |
|---|---|---|---|
`)
	found := sources(t)
	for _, dir := range slices.SortedFunc(maps.Keys(rooms), byLevel) {
		if dir == "." {
			continue
		}
		var own, others []string
		for _, allowed := range rooms[dir] {
			if strings.Contains(allowed, ".") {
				others = append(others, path.Base(strings.TrimSuffix(strings.TrimSuffix(allowed, "/v3"), "/v4")))
			} else {
				own = append(own, strings.TrimPrefix(allowed, "pkg/"))
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", dir, synopsis(found[dir]), listed(own), listed(others))
	}
	b.WriteString("\nTest kits, which no program links: `" + strings.Join(kits, "`, `") + "`.\n")
	old, err := os.ReadFile(page)
	if err == nil && string(old) == b.String() {
		return
	}
	if !*update {
		t.Fatalf("%s differs from layout_test.go; write it again with: go test -run TestPackagesDoc . -args -update", page)
	}
	if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// byLevel sorts a package behind every package that it imports, and by name within a level.
func byLevel(a, b string) int {
	if d := level(a) - level(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// level returns the length of the longest chain of imports below dir.
func level(dir string) int {
	n := 0
	for _, next := range rooms[dir] {
		if _, ok := rooms[next]; ok {
			n = max(n, level(next)+1)
		} else if next == "pkg" {
			n = 100 // everything
		}
	}
	return n
}

// synopsis returns the first sentence of a package's comment without "Package name".
func synopsis(files []source) string {
	for _, f := range files {
		if f.Doc == nil {
			continue
		}
		text := new(doc.Package).Synopsis(f.Doc.Text())
		for _, prefix := range []string{"Package ", "Command "} {
			if rest, ok := strings.CutPrefix(text, prefix); ok {
				_, text, _ = strings.Cut(rest, " ")
			}
		}
		return strings.ReplaceAll(text, "|", `\|`)
	}
	return ""
}

func listed(names []string) string {
	if len(names) == 0 {
		return "–"
	}
	return strings.Join(names, ", ")
}

package sdk_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// outside runs "go test" in a module of its own that replaces this one, as a program of somebody else would import it.
func outside(t *testing.T, source string) {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	gomod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	gosum, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := strings.Replace(string(gomod), "module "+module, "module example.com/outside", 1)
	text += fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %s => %s\n", module, module, root)
	for name, content := range map[string]string{"go.mod": text, "go.sum": string(gosum), "outside_test.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "test", "-mod=mod", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go test in an outside module: %v\n%s", err, out)
	}
}

// exported parses every package of pkg that an importer may use.
func exported(t *testing.T) map[string]*doc.Package {
	t.Helper()
	out := map[string]*doc.Package{}
	err := filepath.WalkDir("pkg", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if d.Name() == "testdata" || d.Name() == "internal" {
			return fs.SkipDir
		}
		fset := token.NewFileSet()
		var files []*ast.File
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			return err
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			files = append(files, f)
		}
		if len(files) == 0 {
			return nil
		}
		importPath := module + "/" + filepath.ToSlash(dir)
		p, err := doc.NewFromFiles(fset, files, importPath)
		if err != nil {
			return err
		}
		out[importPath] = p
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEveryErrorTypeCanBeNamedOutside compiles errors.As for every exported error type in an outside module.
func TestEveryErrorTypeCanBeNamedOutside(t *testing.T) {
	var imports, checks []string
	n := 0
	for importPath, p := range exported(t) {
		used := false
		for _, typ := range p.Types {
			for _, m := range typ.Methods {
				if !isErrorMethod(m) {
					continue
				}
				star := ""
				if strings.HasPrefix(m.Recv, "*") {
					star = "*"
				}
				checks = append(checks, fmt.Sprintf("\t{ var e %sp%d.%s; if errors.As(err, &e) { t.Error(e) } }", star, n, typ.Name))
				used = true
			}
		}
		if used {
			imports = append(imports, fmt.Sprintf("\tp%d %q", n, importPath))
			n++
		}
	}
	if len(checks) < 20 {
		t.Fatalf("%d error types were found, want at least 20: does the test still recognise one?", len(checks))
	}
	outside(t, "package outside\n\nimport (\n\t\"errors\"\n\t\"testing\"\n\n"+strings.Join(imports, "\n")+
		"\n)\n\nfunc TestNames(t *testing.T) {\n\terr := errors.New(\"another\")\n"+strings.Join(checks, "\n")+"\n}\n")
}

// isErrorMethod returns whether m is Error() string, declared for the type itself.
func isErrorMethod(m *doc.Func) bool {
	typ := m.Decl.Type
	if m.Name != "Error" || m.Level != 0 || typ.Params.NumFields() != 0 || typ.Results.NumFields() != 1 {
		return false
	}
	result, ok := typ.Results.List[0].Type.(*ast.Ident)
	return ok && result.Name == "string"
}

// TestDocsOfExportedNamesNeedNoInternalPackage fails where the comment or the signature of an exported name refers to a
// package that an importer cannot name.
func TestDocsOfExportedNamesNeedNoInternalPackage(t *testing.T) {
	var internal []string
	for dir := range rooms {
		if strings.HasPrefix(dir, "internal/") {
			internal = append(internal, path.Base(dir))
		}
	}
	slices.Sort(internal)
	foreign := regexp.MustCompile(`\b(` + strings.Join(internal, "|") + `)\.[A-Z]\w*`)
	for importPath, p := range exported(t) {
		check := func(name, text string) {
			if m := foreign.FindString(text); m != "" {
				t.Errorf("%s.%s: its documentation names %s, which an importer cannot use", importPath, name, m)
			}
		}
		check("package", p.Doc)
		for _, f := range p.Funcs {
			check(f.Name, f.Doc)
		}
		for _, typ := range p.Types {
			check(typ.Name, typ.Doc)
			for _, f := range slices.Concat(typ.Funcs, typ.Methods) {
				check(typ.Name+"."+f.Name, f.Doc)
			}
			for _, spec := range typ.Decl.Specs {
				if st, ok := spec.(*ast.TypeSpec).Type.(*ast.StructType); ok {
					for _, f := range st.Fields.List {
						check(typ.Name, f.Doc.Text()+f.Comment.Text())
					}
				}
			}
		}
	}
}

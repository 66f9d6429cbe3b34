package sdk_test

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAPI compares the exported surface of every package in pkg/ with its listing in api/, so that a change of the
// surface is visible in review. The listing has the declarations without comments, as Linux sees them.
func TestAPI(t *testing.T) {
	want := map[string][]byte{}
	err := filepath.WalkDir("pkg", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if d.Name() == "internal" || d.Name() == "testdata" {
			return fs.SkipDir
		}
		text, err := surface(dir)
		if err == nil && len(text) > 0 {
			want[strings.ReplaceAll(filepath.ToSlash(dir), "/", "-")[len("pkg-"):]+".txt"] = text
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := writeListings(want); err != nil {
			t.Fatal(err)
		}
	}
	listed, err := filepath.Glob("api/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range listed {
		if want[filepath.Base(name)] == nil {
			t.Errorf("%s lists a package that does not exist; write the listings again with: make api", name)
		}
	}
	for name, text := range want {
		got, err := os.ReadFile(filepath.Join("api", name))
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("the surface of the package differs from api/%s (%v); if that is intended, write it again with: make api", name, err)
		}
	}
}

func writeListings(listings map[string][]byte) error {
	if err := os.RemoveAll("api"); err != nil {
		return err
	}
	if err := os.MkdirAll("api", 0o755); err != nil {
		return err
	}
	for name, text := range listings {
		if err := os.WriteFile(filepath.Join("api", name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// surface returns the exported declarations of the package in dir, sorted, or nothing if there is no package.
func surface(dir string) ([]byte, error) {
	ctx := build.Default
	ctx.GOOS, ctx.GOARCH, ctx.CgoEnabled = "linux", "amd64", false
	pkg, err := ctx.ImportDir(dir, 0)
	if _, none := err.(*build.NoGoError); none {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	decls := map[string]string{}
	for _, name := range pkg.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if !ast.FileExports(f) {
			continue
		}
		for _, d := range f.Decls {
			if err := addDecl(decls, fset, d); err != nil {
				return nil, err
			}
		}
	}
	var b strings.Builder
	b.WriteString("package " + pkg.Name + " // import \"" + path.Join(module, filepath.ToSlash(dir)) + "\"\n")
	for _, key := range slices.Sorted(maps.Keys(decls)) {
		b.WriteString("\n" + decls[key] + "\n")
	}
	return []byte(b.String()), nil
}

// addDecl adds the text of a declaration under a key that sorts constants, variables, functions and then types with
// their methods.
func addDecl(decls map[string]string, fset *token.FileSet, decl ast.Decl) error {
	add := func(key string, node any) error {
		var b strings.Builder
		err := printer.Fprint(&b, fset, node)
		decls[key] = plainSpace(b.String())
		return err
	}
	switch d := decl.(type) {
	case *ast.FuncDecl:
		d.Body = nil
		key := "3 " + d.Name.Name
		if d.Recv != nil {
			typ := d.Recv.List[0].Type
			if star, ok := typ.(*ast.StarExpr); ok {
				typ = star.X
			}
			switch generic := typ.(type) {
			case *ast.IndexExpr:
				typ = generic.X
			case *ast.IndexListExpr:
				typ = generic.X
			}
			id, ok := typ.(*ast.Ident)
			if !ok || !id.IsExported() {
				return nil
			}
			key = "4 " + id.Name + " " + d.Name.Name
		}
		return add(key, d)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if err := add("4 "+s.Name.Name, &ast.GenDecl{Tok: token.TYPE, Specs: []ast.Spec{s}}); err != nil {
					return err
				}
			case *ast.ValueSpec:
				order := map[token.Token]string{token.CONST: "1 ", token.VAR: "2 "}[d.Tok]
				return add(order+s.Names[0].Name, d) // the whole group, because of iota
			}
		}
	}
	return nil
}

// plainSpace removes blank lines and alignment, which depend on comments.
func plainSpace(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		indent := line[:len(line)-len(strings.TrimLeft(line, "\t"))]
		if words := strings.Fields(line); len(words) > 0 {
			lines = append(lines, indent+strings.Join(words, " "))
		}
	}
	return strings.Join(lines, "\n")
}

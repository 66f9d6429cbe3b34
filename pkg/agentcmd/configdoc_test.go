package agentcmd

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/constant"
	"go/doc"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/agentcmd/internal/configfile"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/watch"
)

var update = flag.Bool("update", false, "write docs/configuration.md again")

// The generated tables stand between these lines; the text around them is written by hand.
const (
	referenceBegin = "<!-- generated: make docs -->\n"
	referenceEnd   = "<!-- end of the generated part -->\n"
)

// variable are defaults that depend on the machine.
var variable = map[string]string{
	"resource.max_concurrent_jobs":        "the CPUs this process may use",
	"limits.computational.max_goroutines": "8 a CPU, 32 to 512",
}

// TestConfigurationDoc holds docs/configuration.md to the code: each setting is in it, with the comment, the default
// and the type that the code has.
func TestConfigurationDoc(t *testing.T) {
	holdGenerated(t, "configuration.md", configReference(t))
}

// holdGenerated holds the generated part of a page to what the code says; with -update it is written again.
func holdGenerated(t *testing.T, page, generated string) {
	t.Helper()
	path := filepath.Join(repoRoot, "docs", page)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := bytes.Index(old, []byte(referenceBegin)), bytes.Index(old, []byte(referenceEnd))
	if begin < 0 || end < begin {
		t.Fatalf("%s has no lines %q and %q", path, referenceBegin, referenceEnd)
	}
	want := slices.Concat(old[:begin+len(referenceBegin)], []byte(generated), old[end:])
	if bytes.Equal(old, want) {
		return
	}
	if !*update {
		t.Fatalf("docs/%s is not what the code says; write it again with: make docs", page)
	}
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

// configReference is the reference in Markdown: a table for each struct of settings.
func configReference(t *testing.T) string {
	r := &reference{t: t, packages: map[string]map[string]structDoc{}}
	r.table(reflect.ValueOf(defaultConfig(exampleApp)).Elem(), nil)
	fmt.Fprintf(&r.b, "\n## One entry of resource.budgets\n")
	r.rows(reflect.ValueOf(resource.Budget{}), []string{"resource", "budgets", "…"}, false)
	fmt.Fprintf(&r.b, "\n## One entry of scanners\n")
	r.rows(reflect.ValueOf(scan.Definition{}), []string{"scanners", "…"}, false)
	fmt.Fprintf(&r.b, "\n## One entry of limits.degradation.rules\n")
	r.rows(reflect.ValueOf(limits.Rule{}), []string{"limits", "degradation", "rules", "…"}, false)
	fmt.Fprintf(&r.b, "\n## One entry of watch.rules\n")
	r.rows(reflect.ValueOf(watch.Rule{}), []string{"watch", "rules", "…"}, false)
	fmt.Fprintf(&r.b, "\n## One entry of watch.dirs\n")
	r.rows(reflect.ValueOf(watch.Dir{}), []string{"watch", "dirs", "…"}, false)
	return r.b.String()
}

// reference writes the tables, and keeps the comments of the packages it has parsed.
type reference struct {
	t        *testing.T
	b        strings.Builder
	packages map[string]map[string]structDoc
}

// structDoc is what the source says of a struct and its fields.
type structDoc struct {
	text   string // the first paragraph
	fields map[string]string
}

// table writes the settings of a struct, then a table for each struct in it.
func (r *reference) table(v reflect.Value, path []string) {
	r.rows(v, path, true)
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if !configfile.InFile(sf) || sf.Type.Kind() != reflect.Struct {
			continue
		}
		p := append(slices.Clone(path), configfile.KeyOf(sf))
		fmt.Fprintf(&r.b, "\n%s %s\n", strings.Repeat("#", min(len(p)+1, 4)), strings.Join(p, "."))
		if text := r.docOf(v.Type()).fields[sf.Name]; text != "" {
			fmt.Fprintf(&r.b, "\n%s\n", oneLine(text))
		}
		r.table(v.Field(i), p)
	}
}

// rows writes one table. With structs apart, those get a table of their own.
func (r *reference) rows(v reflect.Value, path []string, apart bool) {
	d := r.docOf(v.Type())
	if len(path) > 0 && d.text != "" {
		fmt.Fprintf(&r.b, "\n%s\n", oneLine(d.text))
	}
	head := false
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if !configfile.InFile(sf) || apart && sf.Type.Kind() == reflect.Struct {
			continue
		}
		if !head {
			head = true
			fmt.Fprintf(&r.b, "\n| key | type | default | environment variable | meaning |\n|---|---|---|---|---|\n")
		}
		f := configfile.Setting{Path: append(slices.Clone(path), configfile.KeyOf(sf)), Value: v.Field(i)}
		fmt.Fprintf(&r.b, "| `%s` | %s | %s | %s | %s |\n", configfile.KeyOf(sf), typeText(sf.Type), defaultText(f), envText(f, apart), cell(d.fields[sf.Name]))
		if sf.Type.Kind() == reflect.Struct {
			inner := r.docOf(sf.Type)
			for j := range sf.Type.NumField() {
				in := sf.Type.Field(j)
				if !configfile.InFile(in) {
					continue
				}
				fmt.Fprintf(&r.b, "| `%s.%s` | %s | | | %s |\n", configfile.KeyOf(sf), configfile.KeyOf(in), typeText(in.Type), cell(inner.fields[in.Name]))
			}
		}
	}
}

func typeText(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t.Kind() == reflect.Struct:
		return "mapping"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return "list of mappings"
	case t.Kind() == reflect.Slice:
		return "list of " + typeText(t.Elem()) + "s"
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return "integer"
	case t.Kind() == reflect.Float64:
		return "number"
	}
	return t.Kind().String()
}

// defaultText is the value of an empty configuration; none where that is the zero value, which the meaning explains.
func defaultText(f configfile.Setting) string {
	if text, ok := variable[f.Key()]; ok {
		return text
	}
	if f.Value.Kind() != reflect.Bool && f.Value.IsZero() || f.Value.Kind() == reflect.Slice || f.Value.Kind() == reflect.Struct {
		return ""
	}
	text := fmt.Sprint(f.Value.Interface())
	if d, ok := f.Value.Interface().(time.Duration); ok {
		text = strings.TrimSuffix(d.String(), "m0s")
		if text != d.String() {
			text += "m"
		}
		if h := strings.TrimSuffix(text, "h0m"); h != text {
			text = h + "h"
		}
	}
	return "`" + text + "`"
}

func envText(f configfile.Setting, apart bool) string {
	if !apart || f.Value.Kind() == reflect.Slice && f.Value.Type().Elem().Kind() != reflect.String {
		return ""
	}
	return "`" + f.Env(exampleApp.EnvPrefix) + "`"
}

func cell(text string) string { return strings.ReplaceAll(oneLine(text), "|", `\|`) }

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// docOf finds the comments of a struct type in its source.
func (r *reference) docOf(typ reflect.Type) structDoc {
	const module = "github.com/rediverio/sdk/"
	dir := strings.TrimPrefix(typ.PkgPath(), module)
	if typ.PkgPath() == "main" {
		dir = "pkg/agentcmd"
	}
	if r.packages[dir] == nil {
		r.packages[dir] = parseStructs(r.t, filepath.Join(repoRoot, filepath.FromSlash(dir)))
	}
	d, ok := r.packages[dir][typ.Name()]
	if !ok {
		r.t.Fatalf("no source of %s in %s", typ, dir)
	}
	return d
}

func parseStructs(t *testing.T, dir string) map[string]structDoc {
	t.Helper()
	out := map[string]structDoc{}
	var files []*ast.File
	fset := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	values := constants(files)
	p, err := doc.NewFromFiles(fset, files, filepath.Base(dir), doc.AllDecls|doc.PreserveAST)
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range p.Types {
		s, ok := typ.Decl.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType)
		if !ok {
			continue
		}
		text, _, _ := strings.Cut(typ.Doc, "\n\n")
		comments := fieldComments(s)
		for name, comment := range comments {
			comments[name] = constantName.ReplaceAllStringFunc(comment, func(name string) string { return cmp.Or(values[name], name) })
		}
		out[typ.Name] = structDoc{text, comments}
	}
	return out
}

// constantName is the name of a default or a bound, in whose place a reader of the page wants the value.
var constantName = regexp.MustCompile(`\b(Default|Max)[A-Z]\w+`)

// constants are the values of a package's constants, as a person writes them.
func constants(files []*ast.File) map[string]string {
	out := map[string]string{}
	for _, f := range files {
		for _, decl := range f.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.CONST {
				continue
			}
			for _, spec := range d.Specs {
				s := spec.(*ast.ValueSpec)
				for i := range s.Values {
					out[s.Names[i].Name] = valueText(types.ExprString(s.Values[i]))
				}
			}
		}
	}
	return out
}

func valueText(expr string) string {
	if v, err := types.Eval(token.NewFileSet(), nil, token.NoPos, expr); err == nil && v.Value != nil {
		n, exact := constant.Int64Val(constant.ToInt(v.Value))
		if exact && strings.HasSuffix(expr, "<< 20") {
			return fmt.Sprintf("%d MiB", n>>20)
		}
		return strings.Trim(v.Value.ExactString(), `"`)
	}
	return strings.NewReplacer(" * time.Second", "s", " * time.Minute", "m", " * time.Hour", "h", "time.Minute", "1m").Replace(expr)
}

// fieldComments returns the comments above or beside the fields, as a table has them. A field without one, right below
// another whose comment names it, has the comment of that.
func fieldComments(s *ast.StructType) map[string]string {
	out := map[string]string{}
	last := ""
	for _, f := range s.Fields.List {
		text := f.Comment.Text()
		if text == "" {
			text = f.Doc.Text()
		}
		for _, n := range f.Names {
			out[n.Name] = meaning(n.Name, text)
			if text == "" && strings.Contains(last, n.Name) {
				out[n.Name] = meaning(n.Name, last)
			}
		}
		if text != "" {
			last = text
		}
	}
	return out
}

// meaning returns a comment without the name of the field, which stands beside it: "PollWait is the maximum time" becomes
// "The maximum time".
func meaning(name, comment string) string {
	for _, lead := range []string{name + " is ", name + " are ", name + " "} {
		if rest, ok := strings.CutPrefix(comment, lead); ok {
			return strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	return comment
}

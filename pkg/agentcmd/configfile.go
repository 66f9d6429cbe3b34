package agentcmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The bounds of a configuration file.
const (
	maxConfigBytes = 1 << 20
	maxProblems    = 20
)

// problem is one thing wrong with a configuration.
type problem struct {
	line, col int // 0: not in the file
	text      string
}

// configError lists everything wrong with a configuration.
type configError struct {
	file     string // empty: there is none
	source   []string
	problems []problem
}

// Error has a paragraph a problem: file:line:column, what is wrong, and the line with a caret below the place.
func (e *configError) Error() string {
	var b strings.Builder
	slices.SortStableFunc(e.problems, func(x, y problem) int { return x.line - y.line })
	for i, p := range e.problems {
		if i == maxProblems {
			fmt.Fprintf(&b, "and %d more\n", len(e.problems)-i)
			break
		}
		switch {
		case p.line > 0:
			fmt.Fprintf(&b, "%s:%d:%d: %s\n", e.file, p.line, p.col, p.text)
		case e.file != "":
			fmt.Fprintf(&b, "%s: %s\n", e.file, p.text)
		default:
			fmt.Fprintf(&b, "%s\n", p.text)
		}
		if p.line > 0 && p.line <= len(e.source) {
			src := strings.ReplaceAll(e.source[p.line-1], "\t", " ")
			fmt.Fprintf(&b, "  %4d | %s\n       | %s^\n", p.line, src, strings.Repeat(" ", max(p.col-1, 0)))
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

// reader fills a Config from a file and remembers where each setting stands.
type reader struct {
	err   configError
	place map[string]problem // by plain key path: line and column
}

// loadConfig reads the defaults, then the file (if path is not empty), then the environment.
func loadConfig(path string, app App, env func(string) (string, bool)) (*Config, *reader, error) {
	c := defaultConfig(app.StateDir)
	r := &reader{err: configError{file: path}, place: map[string]problem{}}
	if path != "" {
		b, err := readBounded(path)
		if err != nil {
			return nil, r, &configError{file: path, problems: []problem{{text: err.Error()}}}
		}
		r.err.source = strings.Split(string(b), "\n")
		r.parse(b, reflect.ValueOf(c).Elem())
	}
	for _, f := range fields(reflect.ValueOf(c).Elem()) {
		if text, ok := env(f.env(app.EnvPrefix)); ok {
			if err := setText(f.value, text); err != nil {
				r.add(0, 0, "environment variable %s: %v", f.env(app.EnvPrefix), err)
			}
			r.place[plainPath(f.path)] = problem{}
		}
	}
	return c, r, r.result()
}

// check completes the configuration and judges every section; flags have been applied by now.
func (r *reader) check(c *Config) error {
	if err := c.complete(); err != nil {
		r.add(0, 0, "%v", err)
	}
	sections := c.sections()
	names := make([]string, 0, len(sections))
	for name := range sections {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, text := range flatten(sections[name]) {
			r.addAt(name, text)
		}
	}
	return r.result()
}

func (r *reader) result() error {
	if len(r.err.problems) == 0 {
		return nil
	}
	return &r.err
}

// isSet says whether a file or the environment gave the setting a value.
func (r *reader) isSet(path ...string) bool {
	_, ok := r.place[plainPath(path)]
	return ok
}

func plainPath(path []string) string { return plain(strings.Join(path, ".")) }

func (r *reader) add(line, col int, format string, args ...any) {
	r.err.problems = append(r.err.problems, problem{line, col, fmt.Sprintf(format, args...)})
}

var leadingField = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.]*): `)

// addAt adds what a package says of its section, at the place of the field that it names first, or of the innermost
// one where it names several.
func (r *reader) addAt(section, text string) {
	p := problem{text: section + ": " + text}
	for path, rest := section, text; ; {
		m := leadingField.FindStringSubmatch(rest)
		if m == nil {
			break
		}
		path, rest = path+"."+m[1], rest[len(m[0]):]
		at, ok := r.place[plain(path)]
		if !ok {
			break
		}
		p.line, p.col = at.line, at.col
	}
	r.err.problems = append(r.err.problems, p)
}

// flatten takes joined errors apart; what was written before the joined ones stays before each.
func flatten(err error) []string {
	switch e := err.(type) {
	case nil:
		return nil
	case interface{ Unwrap() []error }:
		var out []string
		for _, one := range e.Unwrap() {
			out = append(out, flatten(one)...)
		}
		return out
	case interface{ Unwrap() error }:
		inner := e.Unwrap()
		if before, ok := strings.CutSuffix(err.Error(), fmt.Sprint(inner)); ok {
			out := flatten(inner)
			for i := range out {
				out[i] = before + out[i]
			}
			return out
		}
	}
	return []string{err.Error()}
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

func (r *reader) parse(b []byte, into reflect.Value) {
	d := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	err := d.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		return // empty: all defaults
	case err != nil:
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			line, _ := strconv.Atoi(m[1]) // digits, by the expression
			r.add(line, 1, "%s", m[2])
		} else {
			r.add(0, 0, "%v", err)
		}
		return
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		r.add(0, 0, "there is more than one YAML document")
	}
	if len(doc.Content) == 1 && !isNull(doc.Content[0]) {
		r.structure(doc.Content[0], into, nil)
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// structure fills a struct from a mapping. Every key must be a field, once.
func (r *reader) structure(n *yaml.Node, into reflect.Value, path []string) {
	if n.Kind != yaml.MappingNode {
		r.add(n.Line, n.Column, "%s: want a mapping of settings", describe(path))
		return
	}
	known, names := map[string]reflect.Value{}, []string{}
	canonical := map[string]string{}
	for i := range into.NumField() {
		if sf := into.Type().Field(i); sf.IsExported() && settable(sf.Type) {
			key := keyOf(sf)
			known[plain(key)], canonical[plain(key)] = into.Field(i), key
			names = append(names, key)
		}
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		f, ok := known[plain(key.Value)]
		if !ok {
			hint := ""
			if near := nearest(key.Value, names); near != "" {
				hint = fmt.Sprintf("; did you mean %q?", near)
			}
			r.add(key.Line, key.Column, "unknown key %q in %s%s", key.Value, describe(path), hint)
			continue
		}
		if first, dup := seen[plain(key.Value)]; dup {
			r.add(key.Line, key.Column, "key %q is set in line %d already", key.Value, first)
			continue
		}
		seen[plain(key.Value)] = key.Line
		p := append(slices.Clone(path), canonical[plain(key.Value)])
		r.place[plainPath(p)] = problem{line: key.Line, col: key.Column}
		r.value(value, f, p)
	}
}

// value fills a field from a node.
func (r *reader) value(n *yaml.Node, into reflect.Value, path []string) {
	if n.Kind == yaml.AliasNode {
		r.add(n.Line, n.Column, "%s: aliases are not supported", describe(path))
		return
	}
	if isNull(n) {
		return // as if the key were not there
	}
	switch {
	case into.Kind() == reflect.Struct:
		r.structure(n, into, path)
	case into.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		list := reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content))
		for i, item := range n.Content {
			r.value(item, list.Index(i), append(slices.Clone(path), strconv.Itoa(i)))
		}
		into.Set(list)
	case n.Kind != yaml.ScalarNode:
		r.add(n.Line, n.Column, "%s: want a single value", describe(path))
	case into.Kind() == reflect.Slice && into.Type().Elem().Kind() != reflect.String:
		r.add(n.Line, n.Column, "%s: want a list", describe(path))
	default:
		if err := setText(into, n.Value); err != nil {
			r.add(n.Line, n.Column, "%s: %v", describe(path), err)
		}
	}
}

func describe(path []string) string {
	if len(path) == 0 {
		return "the configuration"
	}
	return strings.Join(path, ".")
}

// readBounded reads a small file.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err == nil && len(b) > maxConfigBytes {
		err = fmt.Errorf("%s: over %d bytes", path, maxConfigBytes)
	}
	return b, err
}

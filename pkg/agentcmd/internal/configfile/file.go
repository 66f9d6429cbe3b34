// Package configfile reads a configuration from a YAML file and the environment into Go structs. Every key must be a
// field, every value of its type; all problems are reported at once, each with its place in the file.
package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxBytes bounds the size of a configuration file.
const MaxBytes = 1 << 20

// File records the place of each setting of a configuration, and the problems.
type File struct {
	err    Error
	keys   map[string]string // the keys of all settings, by their plain spelling
	places map[string]place  // where settings are set, by plain key; the zero place for the environment
}

// Read sets settings from the file at path, unless path is empty, and then from the environment variables that begin
// with prefix. It returns nil if the file cannot be read; otherwise every setting without a problem has been set even
// if there is an error.
func Read(path, prefix string, env func(string) (string, bool), settings []Setting) (*File, error) {
	f := &File{err: Error{file: path}, keys: map[string]string{}, places: map[string]place{}}
	f.name(settings)
	if path != "" {
		b, err := ReadBounded(path)
		if err != nil {
			return nil, &Error{file: path, problems: []problem{{text: err.Error()}}}
		}
		f.err.source = strings.Split(string(b), "\n")
		f.parse(b, settings)
	}
	for _, s := range Leaves(settings) {
		name := s.Env(prefix)
		if text, ok := env(name); ok {
			if err := setText(s.Value, text); err != nil {
				f.add(place{}, "environment variable %s: %v", name, err)
			}
			f.places[plain(s.Key())] = place{}
		}
	}
	return f, f.Err()
}

// name records the keys of settings.
func (f *File) name(settings []Setting) {
	for _, s := range settings {
		f.keys[plain(s.Key())] = s.Key()
		if s.isStruct() {
			f.name(s.Members())
		}
	}
}

// Err returns an *Error with all problems up to now, or nil.
func (f *File) Err() error {
	if len(f.err.problems) == 0 {
		return nil
	}
	return &f.err
}

// IsSet reports whether the file or the environment has the setting with this key, such as chunk.max_retries.
func (f *File) IsSet(key string) bool {
	_, ok := f.places[plain(key)]
	return ok
}

func (f *File) add(at place, format string, args ...any) {
	f.err.problems = append(f.err.problems, problem{at, fmt.Sprintf(format, args...)})
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

func (f *File) parse(b []byte, settings []Setting) {
	d := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	err := d.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		return // empty: all defaults
	case err != nil:
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			line, _ := strconv.Atoi(m[1]) // digits, by the expression
			f.add(place{line, 1}, "%s", m[2])
		} else {
			f.add(place{}, "%v", err)
		}
		return
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		f.add(place{}, "there is more than one YAML document")
	}
	if len(doc.Content) == 1 && !isNull(doc.Content[0]) {
		f.mapping(doc.Content[0], settings, "")
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func placeOf(n *yaml.Node) place { return place{n.Line, n.Column} }

// mapping sets settings from a mapping below path. Every key must be one of them, and occur once.
func (f *File) mapping(n *yaml.Node, settings []Setting, path string) {
	if path == "" {
		path = "the configuration"
	}
	if n.Kind != yaml.MappingNode {
		f.add(placeOf(n), "%s: want a mapping of settings", path)
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := slices.IndexFunc(settings, func(s Setting) bool { return plain(s.name()) == plain(key.Value) })
		if at < 0 {
			names := make([]string, len(settings))
			for j, s := range settings {
				names[j] = s.name()
			}
			f.add(placeOf(key), "unknown key %q in %s%s", key.Value, path, Hint(key.Value, names))
			continue
		}
		s := settings[at]
		if first, dup := seen[s.Key()]; dup {
			f.add(placeOf(key), "key %q is set in line %d already", key.Value, first)
			continue
		}
		seen[s.Key()] = key.Line
		f.places[plain(s.Key())] = placeOf(key)
		f.value(value, s)
	}
}

// value sets one setting from a node.
func (f *File) value(n *yaml.Node, s Setting) {
	switch {
	case n.Kind == yaml.AliasNode:
		f.add(placeOf(n), "%s: aliases are not supported", s.Key())
	case isNull(n): // the same as no key
	case s.isStruct():
		f.mapping(n, s.Members(), s.Key())
	case s.isList() && n.Kind == yaml.SequenceNode:
		for i, item := range s.resize(len(n.Content)) {
			f.places[plain(item.Key())] = placeOf(n.Content[i])
			f.value(n.Content[i], item)
		}
	case n.Kind != yaml.ScalarNode:
		f.add(placeOf(n), "%s: want a single value", s.Key())
	default:
		if err := setText(s.Value, n.Value); err != nil {
			f.add(placeOf(n), "%s: %v", s.Key(), err)
		}
	}
}

// ReadBounded returns the content of a file of at most MaxBytes.
func ReadBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	b, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err == nil && len(b) > MaxBytes {
		err = fmt.Errorf("%s: over %d bytes", path, MaxBytes)
	}
	return b, err
}

package scan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxDefinitionBytes is how large the YAML of a definition may be.
const MaxDefinitionBytes = 64 << 10

// MaxDefinitionFiles is how many files of definitions a directory may hold.
const MaxDefinitionFiles = 1000

// definitionEnding is that of files which hold a definition.
const definitionEnding = ".yaml"

// ParseDefinition reads one definition in YAML. The keys are those of the yaml tags of Definition, each of which may
// stand once; an unknown one, or a value of another type, is an error with its line. The error names every problem.
func ParseDefinition(b []byte) (Definition, error) {
	if len(b) > MaxDefinitionBytes {
		return Definition{}, fmt.Errorf("%d bytes of YAML, at most %d", len(b), MaxDefinitionBytes)
	}
	var d Definition
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&d); err != nil {
		return Definition{}, yamlError(err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Definition{}, errors.New("more than one YAML document, want one definition")
	}
	if err := d.Validate(); err != nil {
		return Definition{}, err
	}
	return d, nil
}

// How the YAML reader says that there is no such key, and that something else is where a mapping belongs.
var (
	unknownField = regexp.MustCompile(`field (.*) not found in type scan\.\w+$`)
	noMapping    = regexp.MustCompile(`into scan\.\w+$`)
)

// yamlError says what is wrong in words of the file, not of Go.
func yamlError(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("no YAML in it")
	}
	var te *yaml.TypeError
	if !errors.As(err, &te) {
		return err
	}
	var errs []error
	for _, text := range te.Errors {
		text = unknownField.ReplaceAllString(text, "unknown key $1")
		errs = append(errs, errors.New(noMapping.ReplaceAllString(text, "into a mapping")))
	}
	return errors.Join(errs...)
}

// ReadDefinitions reads every NAME.yaml of a directory: one definition each, of the scanner NAME. Other files are left
// alone; a directory that does not exist has none. A definition names a program to be run, so a file or directory that
// everybody may write is refused. The error names every problem with its file.
func ReadDefinitions(dir string) ([]Definition, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err == nil && writableByAll(info.Mode()) {
		err = fmt.Errorf("%s has mode %04o: everybody may put definitions into it; chmod o-w it", dir, info.Mode().Perm())
	}
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var defs []Definition
	var errs []error
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), definitionEnding)
		if !ok || strings.HasPrefix(name, ".") {
			continue
		}
		if len(defs) == MaxDefinitionFiles {
			errs = append(errs, fmt.Errorf("%s: more than %d definitions", dir, MaxDefinitionFiles))
			break
		}
		d, err := readDefinition(filepath.Join(dir, e.Name()))
		if err == nil && d.Name != name {
			err = fmt.Errorf("it defines %q: call the file %s", d.Name, d.Name+definitionEnding)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", filepath.Join(dir, e.Name()), err))
			continue
		}
		defs = append(defs, d)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return defs, nil
}

func readDefinition(path string) (Definition, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Definition{}, err
	case !info.Mode().IsRegular():
		return Definition{}, errors.New("no regular file")
	case writableByAll(info.Mode()):
		return Definition{}, fmt.Errorf("mode %04o: everybody may write it; chmod o-w it", info.Mode().Perm())
	}
	f, err := os.Open(path)
	if err != nil {
		return Definition{}, err
	}
	defer f.Close() // opened for reading
	b, err := io.ReadAll(io.LimitReader(f, MaxDefinitionBytes+1))
	if err != nil {
		return Definition{}, err
	}
	return ParseDefinition(b)
}

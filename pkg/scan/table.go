package scan

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Table is an unchanging set of definitions by name. Its methods may be called concurrently.
type Table struct {
	defs []Definition
}

// NewTable returns a table of the definitions given; without any it holds Builtin. Of two with the same name the
// later one counts, so that NewTable(append(Builtin(), mine)...) overrides. The error names every problem.
func NewTable(defs ...Definition) (*Table, error) {
	if len(defs) == 0 {
		defs = Builtin()
	}
	t := &Table{}
	var errs []error
	for _, d := range defs {
		if err := d.Validate(); err != nil {
			errs = append(errs, err)
			continue
		}
		if i := t.index(d.Name); i >= 0 {
			t.defs[i] = d.clone()
		} else {
			t.defs = append(t.defs, d.clone())
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return t, nil
}

func (t *Table) index(name string) int {
	return slices.IndexFunc(t.defs, func(d Definition) bool { return d.Name == name })
}

// Lookup returns a copy of the definition with that name.
func (t *Table) Lookup(name string) (d Definition, ok bool) {
	i := t.index(name)
	if i < 0 {
		return Definition{}, false
	}
	return t.defs[i].clone(), true
}

// Names returns the names, in the order of the table.
func (t *Table) Names() []string {
	names := make([]string, len(t.defs))
	for i, d := range t.defs {
		names[i] = d.Name
	}
	return names
}

// find returns the absolute path of an executable: in one of dirs, then on PATH. One that PATH finds in the
// working directory alone is refused, as a scanned repository could have put it there.
func find(command string, dirs []string) (string, error) {
	if strings.ContainsAny(command, `/\`) {
		if !filepath.IsAbs(command) {
			return "", fmt.Errorf("executable %q: want a name or an absolute path", command)
		}
		return exec.LookPath(command)
	}
	for _, dir := range dirs {
		abs, err := filepath.Abs(dir)
		if err != nil {
			continue
		}
		if path, err := exec.LookPath(filepath.Join(abs, command)); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(command)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

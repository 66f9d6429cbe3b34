package configfile

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rediverio/sdk/internal/config"
)

// maxProblems is the number of problems that Error prints.
const maxProblems = 20

// Error lists everything that is wrong with a configuration.
type Error struct {
	file     string // empty: there is no file
	source   []string
	problems []problem
}

// problem is one thing that is wrong.
type problem struct {
	place
	text string
}

// place is a position in the file. The zero place is outside of it.
type place struct{ line, col int }

// Error returns a paragraph for each problem: file:line:column, the problem, and the line with a caret below the place.
func (e *Error) Error() string {
	var b strings.Builder
	slices.SortStableFunc(e.problems, func(x, y problem) int { return x.line - y.line })
	for i, p := range e.problems {
		if i == maxProblems {
			fmt.Fprintf(&b, "and %d more\n", len(e.problems)-i)
			break
		}
		switch {
		case p.line > 0:
			fmt.Fprintf(&b, "%s:%d:%d: ", e.file, p.line, p.col)
		case e.file != "":
			fmt.Fprintf(&b, "%s: ", e.file)
		}
		b.WriteString(p.text + "\n")
		if p.line > 0 && p.line <= len(e.source) {
			src := strings.ReplaceAll(e.source[p.line-1], "\t", " ")
			fmt.Fprintf(&b, "  %4d | %s\n       | %s^\n", p.line, src, strings.Repeat(" ", max(p.col-1, 0)))
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

// Report adds the problems of a section that err joins, each at the place of the setting that it names: a
// *config.FieldError by the path of the setting, with or without the section, any other error by leading "name: ".
func (f *File) Report(section string, err error) {
	for _, text := range flatten(err, "") {
		if rest, ok := strings.CutPrefix(text, section); !ok || rest == "" || !strings.ContainsRune(".:", rune(rest[0])) {
			text = section + ": " + text
		}
		f.err.problems = append(f.err.problems, f.locate(text))
	}
}

var leadingName = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.]*): `)

// locate returns the problem that text describes. The names before it become the key of the innermost setting that they
// name. Its place is the setting, or the innermost one around it that is in the file.
func (f *File) locate(text string) problem {
	key, rest := "", text
	for {
		m := leadingName.FindStringSubmatch(rest)
		if m == nil {
			break
		}
		name := strings.TrimPrefix(key+"."+m[1], ".")
		if key != "" && len(f.known(name)) <= len(plain(key)) {
			break // another word before a colon
		}
		key, rest = cmp.Or(f.keys[plain(name)], name), rest[len(m[0]):]
	}
	for outer := plain(key); outer != ""; outer = parent(outer) {
		if at, ok := f.places[outer]; ok {
			return problem{at, key + ": " + rest}
		}
	}
	return problem{place{}, key + ": " + rest}
}

// known returns the plain spelling of the innermost setting, or element of a list, that name is or is within.
func (f *File) known(name string) string {
	for outer := plain(name); outer != ""; outer = parent(outer) {
		if _, ok := f.places[outer]; ok || f.keys[outer] != "" {
			return outer
		}
	}
	return ""
}

// parent returns a key without its last element.
func parent(key string) string { return key[:max(strings.LastIndex(key, "."), 0)] }

// flatten takes joined errors apart. Text that was added before a joined error is repeated before each of its errors,
// unless it is a *config.FieldError, which names its setting in full.
func flatten(err error, before string) (out []string) {
	switch e := err.(type) {
	case nil:
		return nil
	case *config.FieldError:
		return []string{e.Error()}
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			out = append(out, flatten(one, before)...)
		}
		return out
	case interface{ Unwrap() error }:
		inner := e.Unwrap()
		if text, ok := strings.CutSuffix(err.Error(), fmt.Sprint(inner)); ok {
			return flatten(inner, before+text)
		}
	}
	return []string{before + err.Error()}
}

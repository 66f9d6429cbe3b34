package configfile

import (
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

// Report adds the problems of a section that err joins, each at the place of the setting that it names. A
// *config.FieldError names the setting by its path, with or without the section; any other error by a leading "name: ".
func (f *File) Report(section string, err error) {
	for _, one := range flatten(err, "") {
		text := one.text
		if !hasPath(text, section) {
			text = section + ": " + text
			if one.field {
				text = section + "." + one.text
			}
		}
		f.err.problems = append(f.err.problems, problem{f.find(text), text})
	}
}

// hasPath reports whether text begins with the name of section or of a setting in it.
func hasPath(text, section string) bool {
	rest, ok := strings.CutPrefix(text, section)
	return ok && rest != "" && strings.ContainsRune(".:", rune(rest[0]))
}

var leadingName = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.]*): `)

// find returns the place of the setting that text names by its leading names, or of the innermost one around it that
// is in the file.
func (f *File) find(text string) (at place) {
	for path := ""; ; path += "." {
		m := leadingName.FindStringSubmatch(text)
		if m == nil {
			return at
		}
		path, text = path+m[1], text[len(m[0]):]
		for outer := path; outer != ""; outer = outer[:max(strings.LastIndex(outer, "."), 0)] {
			if p, ok := f.places[plain(outer)]; ok {
				at = p
				break
			}
		}
	}
}

// flatError is one error of a joined one.
type flatError struct {
	text  string
	field bool // it is a *config.FieldError
}

// flatten takes joined errors apart. Text that was added before a joined error is repeated before each of its errors.
func flatten(err error, before string) (out []flatError) {
	switch e := err.(type) {
	case nil:
		return nil
	case *config.FieldError:
		return []flatError{{e.Error(), true}}
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
	return []flatError{{before + err.Error(), false}}
}

// Package tail makes the end of what a program has written fit to be shown and kept: few lines, none of them long, nothing in
// them that moves a cursor.
package tail

import (
	"io"
	"os"
	"regexp"
	"strings"
	"unicode"
)

const (
	// Bytes is how much is read from the end.
	Bytes    = 16 << 10
	lines    = 20  // kept of them
	lineSize = 500 // bytes kept of a line
)

// ansi matches the escape sequences by which programs colour text, move the cursor and set window titles.
var ansi = regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[@-Z\\\\^_])")

// File returns the last lines of a text file, as Lines does; none when it cannot be read.
func File(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close() // opened for reading
	cut := false
	if info, err := f.Stat(); err == nil && info.Size() > Bytes {
		_, err = f.Seek(-Bytes, io.SeekEnd)
		cut = err == nil
	}
	b, err := io.ReadAll(io.LimitReader(f, Bytes))
	if err != nil {
		return nil
	}
	return Lines(string(b), cut)
}

// Lines returns the last lines of text, without escape sequences, control characters and empty lines; cut says that its first
// line lacks its beginning.
func Lines(text string, cut bool) []string {
	all := strings.FieldsFunc(ansi.ReplaceAllString(text, ""), func(r rune) bool { return r == '\n' || r == '\r' })
	if cut && len(all) > 1 {
		all = all[1:]
	}
	out := make([]string, 0, lines)
	for _, line := range all {
		if line = Line(line); line != "" {
			out = append(out, line)
		}
	}
	return out[max(0, len(out)-lines):]
}

// Line cleans one line.
func Line(line string) string {
	line = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(line, "")))
	if len(line) > lineSize {
		line = strings.ToValidUTF8(line[:lineSize], "") + "…"
	}
	return line
}

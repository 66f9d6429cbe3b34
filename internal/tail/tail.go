// Package tail returns the end of a program's output as a few short lines that are safe to store and to print on a terminal.
package tail

import (
	"io"
	"os"
	"regexp"
	"strings"
	"unicode"
)

const (
	// Bytes is the number of bytes that are read from the end of a file.
	Bytes = 16 << 10

	maxLines = 20
	lineSize = 500 // bytes
)

// ansi matches escape sequences, which set colours, move the cursor or change the title of a window.
var ansi = regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[@-Z\\\\^_])")

// File returns the last lines of a text file in the form of Lines, or nil if the file cannot be read.
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

// Lines returns the last 20 lines of text, without escape sequences, control characters and empty lines. If cut is set, the
// text does not begin with the start of a line, and its first line is dropped.
func Lines(text string, cut bool) []string {
	all := strings.FieldsFunc(ansi.ReplaceAllString(text, ""), func(r rune) bool { return r == '\n' || r == '\r' })
	if cut && len(all) > 1 {
		all = all[1:]
	}
	out := make([]string, 0, maxLines)
	for _, line := range all {
		if line = Line(line); line != "" {
			out = append(out, line)
		}
	}
	return out[max(0, len(out)-maxLines):]
}

// Line returns line without characters that are not printable, and truncated to 500 bytes.
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

// Package term makes text from outside – findings, events, file names, errors of servers – fit to be printed on a
// terminal. Control characters, escape sequences, and the characters that reorder or hide text (bidirectional overrides,
// zero-width characters) are shown as escapes, so that nothing printed can move the cursor, change a title, or look like
// something else.
package term

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

func unprintable(r rune) bool { return !strconv.IsPrint(r) }

// Text returns s with everything escaped that is neither printable nor a line break or tab.
func Text(s string) string {
	return escape(s, func(r rune) bool { return r == '\n' || r == '\t' || strconv.IsPrint(r) })
}

// Line returns s as one line of at most max characters. Spaces of any kind become blanks, the rest is escaped as in
// Text, and a cut is marked with an ellipsis.
func Line(s string, max int) string {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		return r
	}, s)
	return cut(escape(s, strconv.IsPrint), max)
}

// Quote returns s cut to max characters, as a Go string literal unless all of it is printable.
func Quote(s string, max int) string {
	s = cut(s, max)
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unprintable) {
		return strconv.Quote(s)
	}
	return s
}

// cut shortens s to at most max characters.
func cut(s string, max int) string {
	if utf8.RuneCountInString(s) <= max {
		return s
	}
	return string([]rune(s)[:max-1]) + "…"
}

// escape replaces every character that ok refuses, and every byte that is not UTF-8, with its Go escape.
func escape(s string, ok func(rune) bool) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !ok(r) }) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if ok(r) && !(r == utf8.RuneError && n == 1) {
			b.WriteRune(r)
		} else {
			q := strconv.Quote(s[i : i+n])
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

// JSON returns JSON with the same meaning as b in which every character is printable; line breaks between values stay.
func JSON(b []byte) []byte {
	if utf8.Valid(b) && !bytes.ContainsFunc(b, unprintable) {
		return b
	}
	var out []byte
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			out = append(out, `\ufffd`...)
		case r == '\n':
			out = append(out, '\n')
		case r < ' ':
			out = append(out, ' ') // valid JSON has it only between tokens
		case r > 0xffff && unprintable(r):
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		case unprintable(r):
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}

package jsonx

import (
	"unicode"
	"unicode/utf8"
)

// escapes is a set of characters that a string is written without. Control characters, quotes and backslashes are always
// in it.
type escapes struct {
	plain     [utf8.RuneSelf]bool // the ASCII characters that need no escape
	printable bool                // every other character that unicode.IsPrint rejects is escaped, too
}

func newEscapes(others string, printable bool) *escapes {
	e := &escapes{printable: printable}
	for c := range e.plain {
		e.plain[c] = c >= ' ' && c != '"' && c != '\\'
	}
	for i := range len(others) {
		e.plain[others[i]] = false
	}
	return e
}

var (
	html     = newEscapes("<>&", false)
	terminal = newEscapes("\x7f", true)
)

// AppendString appends s as a quoted JSON string, to the byte as encoding/json does: invalid UTF-8 becomes U+FFFD, and <, >
// and & are escaped.
func AppendString(b []byte, s string) []byte { return append(html.append(append(b, '"'), s), '"') }

// AppendPrintable appends s as a quoted JSON string in which nothing can break a line or change the appearance of
// other text on a terminal: every character that is not printable, such as a control or bidi character, is escaped.
func AppendPrintable(b []byte, s string) []byte {
	return append(terminal.append(append(b, '"'), s), '"')
}

// append appends s without quotes.
func (e *escapes) append(b []byte, s string) []byte {
	start := 0 // start of the bytes not appended yet
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r < utf8.RuneSelf {
			if e.plain[r] {
				i++
				continue
			}
		} else {
			r, size = utf8.DecodeRuneInString(s[i:])
			if !(r == utf8.RuneError && size == 1 || r == '\u2028' || r == '\u2029' || e.printable && !unicode.IsPrint(r)) {
				i += size
				continue
			}
		}
		b = appendEscape(append(b, s[start:i]...), r)
		i += size
		start = i
	}
	return append(b, s[start:]...)
}

func appendEscape(b []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	if r > 0xffff { // a surrogate pair
		r -= 0x10000
		b = appendEscape(b, 0xd800+r>>10)
		r = 0xdc00 + r&0x3ff
	}
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

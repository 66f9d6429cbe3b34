// Package jsonx reads and writes JSON where encoding/json is too slow or loses members: an encoder that appends structs and
// strings to a buffer, and a Scanner that passes over values without decoding them.
package jsonx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// A Scanner reads one JSON text from front to back without copying it. It validates everything that it passes over, so
// a value that it returns is valid JSON. It accepts exactly what encoding/json accepts.
type Scanner struct {
	text    []byte
	pos     int
	depth   int
	deepest int
}

// NewScanner returns a Scanner at the beginning of text, which must not change while it is scanned.
func NewScanner(text []byte) *Scanner { return &Scanner{text: text} }

// MaxDepth is the deepest nesting of objects and arrays that a Scanner accepts, the same as in encoding/json.
const MaxDepth = 10_000

// The errors of a Scanner for a text that ends inside a value, and for one that is nested deeper than MaxDepth.
var (
	ErrTruncated = errors.New("unexpected end of JSON")
	ErrTooDeep   = errors.New("JSON is nested too deeply")
)

// Pos returns the index of the next byte.
func (s *Scanner) Pos() int { return s.pos }

// Deepest returns the number of objects and arrays around the most deeply nested value so far.
func (s *Scanner) Deepest() int { return s.deepest }

// Peek returns the next byte that is not white space, without passing over it. It returns 0 at the end of the text.
func (s *Scanner) Peek() byte {
	for ; s.pos < len(s.text); s.pos++ {
		if c := s.text[s.pos]; !IsSpace(c) {
			return c
		}
	}
	return 0
}

// IsSpace reports whether c is white space between JSON tokens.
func IsSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// Members reads an object and calls f with the name of each member. f must read the member's value.
func (s *Scanner) Members(f func(name []byte) error) error { return s.each('{', '}', f) }

// Elements reads an array and calls f for each element. f must read the element.
func (s *Scanner) Elements(f func() error) error {
	return s.each('[', ']', func([]byte) error { return f() })
}

// Value passes over one value and returns its text, a slice of the text that is scanned.
func (s *Scanner) Value() ([]byte, error) {
	c, start := s.Peek(), s.pos
	var err error
	switch {
	case c == '"':
		_, err = s.quoted()
	case c == '{':
		err = s.each('{', '}', nil)
	case c == '[':
		err = s.each('[', ']', nil)
	case c == '-' || '0' <= c && c <= '9':
		err = s.number()
	default:
		err = s.literal(c)
	}
	return s.text[start:s.pos], err
}

// each reads an object or an array. A nil f skips the content.
func (s *Scanner) each(open, end byte, f func(name []byte) error) error {
	if s.Peek() != open {
		return s.syntaxError()
	}
	if s.depth++; s.depth > MaxDepth {
		return ErrTooDeep
	}
	s.deepest = max(s.deepest, s.depth)
	s.pos++
	for first := true; s.Peek() != end || !first; first = false {
		if err := s.item(open, f); err != nil {
			return err
		}
		c := s.Peek()
		if c == end {
			break
		}
		if c != ',' {
			return s.syntaxError()
		}
		s.pos++
	}
	s.pos++
	s.depth--
	return nil
}

// item reads a member or an element.
func (s *Scanner) item(open byte, f func(name []byte) error) (err error) {
	var name []byte
	if open == '{' {
		if s.Peek() != '"' {
			return s.syntaxError()
		}
		if name, err = s.quoted(); err != nil {
			return err
		}
		if s.Peek() != ':' {
			return s.syntaxError()
		}
		s.pos++
	}
	if f == nil {
		_, err = s.Value()
		return err
	}
	if bytes.IndexByte(name, '\\') >= 0 || !utf8.Valid(name) {
		name = []byte(unquote(name))
	}
	return f(name)
}

func (s *Scanner) syntaxError() error {
	if s.pos >= len(s.text) {
		return ErrTruncated
	}
	return fmt.Errorf("invalid JSON: unexpected %q at byte %d", s.text[s.pos], s.pos)
}

func (s *Scanner) literal(c byte) error {
	var word string
	switch c {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	case 'n':
		word = "null"
	default:
		return s.syntaxError()
	}
	for i := range len(word) {
		if s.pos >= len(s.text) || s.text[s.pos] != word[i] {
			return s.syntaxError()
		}
		s.pos++
	}
	return nil
}

func (s *Scanner) number() error {
	if s.text[s.pos] == '-' {
		s.pos++
	}
	if s.pos < len(s.text) && s.text[s.pos] == '0' {
		s.pos++
	} else if !s.digits() {
		return s.syntaxError()
	}
	if s.pos < len(s.text) && s.text[s.pos] == '.' {
		if s.pos++; !s.digits() {
			return s.syntaxError()
		}
	}
	if s.pos < len(s.text) && s.text[s.pos]|0x20 == 'e' {
		s.pos++
		if s.pos < len(s.text) && (s.text[s.pos] == '+' || s.text[s.pos] == '-') {
			s.pos++
		}
		if !s.digits() {
			return s.syntaxError()
		}
	}
	return nil
}

func (s *Scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.text) && '0' <= s.text[s.pos] && s.text[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// quoted passes over a string and returns the bytes between its quotes, escapes included.
func (s *Scanner) quoted() ([]byte, error) {
	s.pos++
	start := s.pos
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		switch {
		case c == '"':
			s.pos++
			return s.text[start : s.pos-1], nil
		case c < ' ':
			return nil, s.syntaxError()
		case c == '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		default:
			s.pos++
		}
	}
	return nil, ErrTruncated
}

func (s *Scanner) escape() error {
	if s.pos++; s.pos >= len(s.text) {
		return ErrTruncated
	}
	switch s.text[s.pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
		for range 4 {
			s.pos++
			if s.pos >= len(s.text) || !isHex(s.text[s.pos]) {
				return s.syntaxError()
			}
		}
		s.pos++
		return nil
	}
	return s.syntaxError()
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

// String returns the string that value holds, with its escapes resolved. ok is false if value, which must be valid JSON, is
// not a string.
func String(value []byte) (s string, ok bool) {
	if len(value) == 0 || value[0] != '"' {
		return "", false
	}
	return unquote(value[1 : len(value)-1]), true
}

// unquote returns the string between the quotes of a valid JSON string.
func unquote(inner []byte) string {
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var out string
	_ = json.Unmarshal(append(append([]byte{'"'}, inner...), '"'), &out) // the Scanner found it valid
	return out
}

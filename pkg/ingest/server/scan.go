package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// scanner reads JSON in one pass over a whole text. It checks all that it skips, so that what is cut out of the text
// is JSON too. It accepts what encoding/json accepts: FuzzScanner holds it to that.
type scanner struct {
	text  []byte
	at    int
	depth int
}

// maxDepth is how deep values may nest, as in encoding/json.
const maxDepth = 10_000

var (
	errCutJSON = errors.New("JSON ends too early")
	errTooDeep = errors.New("JSON nests too deep")
)

func (s *scanner) syntax() error {
	if s.at >= len(s.text) {
		return errCutJSON
	}
	return fmt.Errorf("JSON: unexpected %q at byte %d", s.text[s.at], s.at)
}

// peek returns the next byte that is no space, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// members calls f for each member of an object, with its name. f reads the value.
func (s *scanner) members(f func(name []byte) error) error { return s.each('{', '}', f) }

// elements calls f for each element of an array. f reads it.
func (s *scanner) elements(f func() error) error {
	return s.each('[', ']', func([]byte) error { return f() })
}

// each reads an object or an array. Without f, it skips what is in it.
func (s *scanner) each(open, end byte, f func(name []byte) error) error {
	if s.peek() != open {
		return s.syntax()
	}
	if s.depth++; s.depth > maxDepth {
		return errTooDeep
	}
	s.at++
	for first := true; s.peek() != end || !first; first = false {
		if err := s.one(open, f); err != nil {
			return err
		}
		c := s.peek()
		if c == end {
			break
		}
		if c != ',' {
			return s.syntax()
		}
		s.at++
	}
	s.at++
	s.depth--
	return nil
}

// one reads a member or an element.
func (s *scanner) one(open byte, f func(name []byte) error) (err error) {
	var name []byte
	if open == '{' {
		if s.peek() != '"' {
			return s.syntax()
		}
		if name, err = s.quoted(); err != nil {
			return err
		}
		if s.peek() != ':' {
			return s.syntax()
		}
		s.at++
		if bytes.IndexByte(name, '\\') >= 0 {
			name = []byte(unquote(name))
		}
	}
	if f == nil {
		_, err = s.value()
		return err
	}
	return f(name)
}

// value skips one value and returns its text.
func (s *scanner) value() ([]byte, error) {
	c, start := s.peek(), s.at
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
		err = s.word(c)
	}
	return s.text[start:s.at], err
}

func (s *scanner) word(c byte) error {
	word := map[byte]string{'t': "true", 'f': "false", 'n': "null"}[c]
	if word == "" {
		return s.syntax()
	}
	for i := range len(word) {
		if s.at >= len(s.text) || s.text[s.at] != word[i] {
			return s.syntax()
		}
		s.at++
	}
	return nil
}

func (s *scanner) number() error {
	if s.text[s.at] == '-' {
		s.at++
	}
	if s.at < len(s.text) && s.text[s.at] == '0' {
		s.at++
	} else if !s.digits() {
		return s.syntax()
	}
	if s.at < len(s.text) && s.text[s.at] == '.' {
		if s.at++; !s.digits() {
			return s.syntax()
		}
	}
	if s.at < len(s.text) && s.text[s.at]|0x20 == 'e' {
		s.at++
		if s.at < len(s.text) && (s.text[s.at] == '+' || s.text[s.at] == '-') {
			s.at++
		}
		if !s.digits() {
			return s.syntax()
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

// quoted skips a string and returns what is between its quotes.
func (s *scanner) quoted() ([]byte, error) {
	s.at++
	start := s.at
	for s.at < len(s.text) {
		c := s.text[s.at]
		switch {
		case c == '"':
			s.at++
			return s.text[start : s.at-1], nil
		case c < ' ':
			return nil, s.syntax()
		case c == '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		default:
			s.at++
		}
	}
	return nil, errCutJSON
}

func (s *scanner) escape() error {
	if s.at++; s.at >= len(s.text) {
		return errCutJSON
	}
	switch s.text[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return nil
	case 'u':
		for range 4 {
			s.at++
			if s.at >= len(s.text) || !isHex(s.text[s.at]) {
				return s.syntax()
			}
		}
		s.at++
		return nil
	}
	return s.syntax()
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

// text returns the string that a value holds, "" for null.
func text(value []byte) (string, error) {
	if value[0] == 'n' {
		return "", nil
	}
	if value[0] != '"' {
		return "", fmt.Errorf("want a string, not %s", wire.Clip(string(value), 32))
	}
	return unquote(value[1 : len(value)-1]), nil
}

// unquote returns what stands between the quotes of a valid string, with its escapes resolved.
func unquote(inner []byte) string {
	plain := true
	for _, c := range inner {
		plain = plain && c != '\\' && c < utf8.RuneSelf
	}
	if plain {
		return string(inner)
	}
	var out string
	quoted := append(append([]byte{'"'}, inner...), '"')
	_ = json.Unmarshal(quoted, &out) // the scanner found it valid
	return out
}

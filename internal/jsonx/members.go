// Package jsonx reads and writes JSON where encoding/json is too slow or loses members: an encoder that appends structs to a
// buffer, and functions that find the extent of a value in JSON that is known to be valid.
package jsonx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Unmarshal decodes b into the struct that ptr points to, as encoding/json does, and returns the members that the struct
// has no field for, as they were written. It returns nil if there are none. Methods of the struct type are called, so the type usually
// has none.
func Unmarshal(b []byte, ptr any) (unknown map[string]json.RawMessage, err error) {
	if err := json.Unmarshal(b, ptr); err != nil {
		return nil, err
	}
	known := planOf(reflect.TypeOf(ptr).Elem()).known
	err = Members(b, func(key string, value []byte) {
		if known[key] || known[Fold(key)] {
			return
		}
		if unknown == nil {
			unknown = map[string]json.RawMessage{}
		}
		unknown[key] = slices.Clone(value)
	})
	return unknown, err
}

// Fold maps names that differ in case alone, which encoding/json takes for the same member, to one name.
func Fold(name string) string {
	return strings.Map(func(r rune) rune {
		for { // to the smallest rune of those that differ in case, such as K for K, k and the Kelvin sign
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, name)
}

// Members calls f for every member of the JSON object b, in order. Repeated keys are passed on as they come. b must be
// valid JSON; for null there are no members. value is a slice of b.
func Members(b []byte, f func(key string, value []byte)) error {
	i := SkipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return nil // null: no members
	}
	for i = SkipSpace(b, i+1); i < len(b) && b[i] == '"'; {
		end := SkipString(b, i)
		raw := b[i+1 : end-1]
		key := string(raw)
		if bytes.IndexByte(raw, '\\') >= 0 || !utf8.Valid(raw) {
			if err := json.Unmarshal(b[i:end], &key); err != nil {
				return fmt.Errorf("object key: %w", err)
			}
		}
		start := SkipSpace(b, SkipSpace(b, end)+1)
		end = SkipValue(b, start)
		f(key, b[start:end])
		if i = SkipSpace(b, end); i < len(b) && b[i] == ',' {
			i = SkipSpace(b, i+1)
		}
	}
	return nil
}

// SkipSpace returns the index of the first byte at or behind b[i] that is not white space.
func SkipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// SkipString returns the index behind the string that begins at b[i].
func SkipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// SkipValue returns the index behind the value that begins at b[i].
func SkipValue(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = SkipString(b, i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
			i++
		case ',', ' ', '\n', '\t', '\r', ':':
			if depth == 0 {
				return i
			}
			i++
			continue
		default: // number or literal
			for i < len(b) && !strings.ContainsRune(",]} \n\t\r:", rune(b[i])) {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
	return i
}

package report

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

// Extra keeps the members of a JSON object that the model has no field for, raw, so that they survive a
// round trip. Nil is empty.
type Extra map[string]json.RawMessage

// Properties is a free map. Decoded numbers are json.Number, so that none loses digits.
type Properties map[string]any

// UnmarshalJSON keeps numbers as json.Number.
func (p *Properties) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return err
	}
	*p = m
	return nil
}

// fold maps all names that encoding/json takes for one, which differ in case alone, to the same.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		for { // to the smallest rune of those that differ in case, e.g. K for K, k and the Kelvin sign
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, name)
}

// unmarshal decodes b into plain (a pointer to a type without methods) and what plain has no field for into extra.
func unmarshal(b []byte, plain any, extra *Extra) error {
	if err := json.Unmarshal(b, plain); err != nil {
		return err
	}
	known := planOf(reflect.TypeOf(plain).Elem()).known
	*extra = nil
	return eachMember(b, func(key string, value []byte) {
		if known[key] || known[fold(key)] {
			return
		}
		if *extra == nil {
			*extra = Extra{}
		}
		(*extra)[key] = slices.Clone(value)
	})
}

// marshal encodes the struct of the model that x points to.
func marshal(x any) ([]byte, error) { return appendObject(nil, reflect.ValueOf(x).Elem()) }

// eachMember calls f for every member of the JSON object b, which must be valid JSON.
func eachMember(b []byte, f func(key string, value []byte)) error {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return nil // null: no members
	}
	for i = skipSpace(b, i+1); i < len(b) && b[i] == '"'; {
		end := skipString(b, i)
		raw := b[i+1 : end-1]
		key := string(raw)
		if bytes.IndexByte(raw, '\\') >= 0 || !utf8.Valid(raw) {
			if err := json.Unmarshal(b[i:end], &key); err != nil {
				return fmt.Errorf("object key: %w", err)
			}
		}
		start := skipSpace(b, skipSpace(b, end)+1)
		end = skipValue(b, start)
		f(key, b[start:end])
		if i = skipSpace(b, end); i < len(b) && b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
	return nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index behind the string that begins at b[i].
func skipString(b []byte, i int) int {
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

// skipValue returns the index behind the value that begins at b[i].
func skipValue(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = skipString(b, i)
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

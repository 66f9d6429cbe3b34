package jsonx

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// Unmarshal decodes b into the struct that ptr points to, as encoding/json does but without calling methods of that
// struct, and returns the members that the struct has no field for, as they were written. It returns nil if there are none.
func Unmarshal(b []byte, ptr any) (unknown map[string]json.RawMessage, err error) {
	v := reflect.ValueOf(ptr)
	p := planOf(v.Type().Elem())
	if err := json.Unmarshal(b, v.Convert(p.plain).Interface()); err != nil {
		return nil, err
	}
	err = Members(b, func(name, value []byte) {
		if p.known[string(name)] || p.known[fold(string(name))] {
			return
		}
		if unknown == nil {
			unknown = map[string]json.RawMessage{}
		}
		unknown[string(name)] = slices.Clone(value)
	})
	return unknown, err
}

// Members calls f for every member of the JSON object b, in order and including repeated names. name and value are
// valid during the call. A value that is not an object has no members. Members returns an error if b is not valid JSON.
func Members(b []byte, f func(name, value []byte)) error {
	s := Scanner{text: b}
	if s.Peek() != '{' {
		return nil
	}
	return s.Members(func(name []byte) error {
		value, err := s.Value()
		if err == nil {
			f(name, value)
		}
		return err
	})
}

// fold maps names that differ only in case, which encoding/json takes for the same member, to one name.
func fold(name string) string {
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

package jsonx

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// encoding/json calls MarshalJSON of every object inside another, then checks and copies its output again on each level.
// The encoder here appends the same bytes to one buffer.

// plan describes a struct type: how to encode its fields, and which members of an object it knows.
type plan struct {
	fields []field
	extra  int             // index of the field that holds unknown members, or -1
	known  map[string]bool // names of the members, as they are and folded
	plain  reflect.Type    // pointer to a struct of the same fields without methods
}

type field struct {
	index     int
	name      string // quoted, with a colon
	omitEmpty bool
	append    appender
}

// appender appends an addressable value as JSON.
type appender func([]byte, reflect.Value) ([]byte, error)

var plans sync.Map // reflect.Type → *plan

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := &plan{extra: -1, known: map[string]bool{}}
	var all []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		all = append(all, f)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			p.extra = i
			continue
		}
		p.known[name], p.known[fold(name)] = true, true
		p.fields = append(p.fields, field{i, string(AppendString(nil, name)) + ":", options == "omitempty", appenderOf(f.Type)})
	}
	p.plain = reflect.PointerTo(reflect.StructOf(all))
	plans.Store(t, p)
	return p
}

func appenderOf(t reflect.Type) appender {
	switch kind := t.Kind(); {
	case t == reflect.TypeFor[time.Time]():
		return appendTime
	case kind == reflect.Struct:
		return appendObject
	case kind == reflect.String:
		return func(b []byte, v reflect.Value) ([]byte, error) { return AppendString(b, v.String()), nil }
	case kind == reflect.Int || kind == reflect.Int64:
		return func(b []byte, v reflect.Value) ([]byte, error) { return strconv.AppendInt(b, v.Int(), 10), nil }
	case kind == reflect.Bool:
		return func(b []byte, v reflect.Value) ([]byte, error) { return strconv.AppendBool(b, v.Bool()), nil }
	case kind == reflect.Pointer:
		return appendPointed(appenderOf(t.Elem()))
	case kind == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		return appendSlice(appenderOf(t.Elem()))
	}
	return func(b []byte, v reflect.Value) ([]byte, error) { return appendForeign(b, v.Interface()) }
}

// AppendStruct appends the struct that ptr points to, to the byte as encoding/json would without calling methods of the
// struct or of structs in it. A field with the tag json:"-" is a map[string]json.RawMessage: its members are appended
// behind the others, sorted by name. Values of other types are encoded by encoding/json; a panic in one of their
// methods is returned as an error.
func AppendStruct(b []byte, ptr any) ([]byte, error) {
	return appendObject(b, reflect.ValueOf(ptr).Elem())
}

func appendObject(b []byte, v reflect.Value) (_ []byte, err error) {
	p := planOf(v.Type())
	b = append(b, '{')
	start := len(b)
	for i := range p.fields {
		f := &p.fields[i]
		x := v.Field(f.index)
		if f.omitEmpty && isEmpty(x) {
			continue
		}
		if len(b) > start {
			b = append(b, ',')
		}
		if b, err = f.append(append(b, f.name...), x); err != nil {
			return nil, fmt.Errorf("%s %w", f.name, err)
		}
	}
	if p.extra < 0 {
		return append(b, '}'), nil
	}
	if extra := v.Field(p.extra); extra.Len() > 0 {
		if b, err = appendMembers(b, start, extra.Convert(reflect.TypeFor[map[string]json.RawMessage]()).Interface().(map[string]json.RawMessage)); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendMembers(b []byte, start int, extra map[string]json.RawMessage) (_ []byte, err error) {
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if len(b) > start {
			b = append(b, ',')
		}
		if b, err = appendForeign(append(AppendString(b, name), ':'), extra[name]); err != nil { // checks that it is valid
			return nil, fmt.Errorf("member %q: %w", name, err)
		}
	}
	return b, nil
}

// isEmpty reports whether omitempty omits v.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String, reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func appendPointed(elem appender) appender {
	return func(b []byte, v reflect.Value) ([]byte, error) {
		if v.IsNil() {
			return append(b, "null"...), nil
		}
		return elem(b, v.Elem())
	}
}

func appendSlice(elem appender) appender {
	return func(b []byte, v reflect.Value) (_ []byte, err error) {
		if v.IsNil() {
			return append(b, "null"...), nil
		}
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = elem(b, v.Index(i)); err != nil {
				return nil, fmt.Errorf("%d: %w", i, err)
			}
		}
		return append(b, ']'), nil
	}
}

func appendTime(b []byte, v reflect.Value) (_ []byte, err error) {
	if b, err = v.Addr().Interface().(*time.Time).AppendText(append(b, '"')); err != nil {
		return nil, err
	}
	return append(b, '"'), nil
}

// appendForeign appends v as encoding/json does, which may call methods of a caller's type. A panic there becomes an error.
func appendForeign(b []byte, v any) (_ []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("encode: panic: %v", p)
		}
	}()
	j, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append(b, j...), nil
}

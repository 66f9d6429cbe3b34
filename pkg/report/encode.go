package report

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

// encoding/json calls MarshalJSON of every object inside another and then checks and copies its output once more, on
// each level. The encoder here appends the same bytes to one buffer, which TestEncodesAsEncodingJSON holds it to.

// plan is what there is to know of a struct of the model, to encode it and to tell its members from unknown ones.
type plan struct {
	fields []field
	extra  int             // index of the field Extra
	known  map[string]bool // names of the members, folded
}

type field struct {
	index     int
	name      string // as it is written: quoted, with a colon
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
	p := &plan{known: map[string]bool{}}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			p.extra = i
			continue
		}
		p.known[fold(name)] = true
		p.fields = append(p.fields, field{i, string(appendString(nil, name)) + ":", options == "omitempty", appenderOf(f.Type)})
	}
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
		return func(b []byte, v reflect.Value) ([]byte, error) { return appendString(b, v.String()), nil }
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

// appendObject appends a struct of the model, and the members of its Extra at the end, in the order of their names.
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
	if extra := v.Field(p.extra); extra.Len() > 0 {
		if b, err = appendExtra(b, start, extra.Interface().(Extra)); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendExtra(b []byte, start int, extra Extra) (_ []byte, err error) {
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if len(b) > start {
			b = append(b, ',')
		}
		if b, err = appendForeign(append(appendString(b, name), ':'), extra[name]); err != nil { // checks it
			return nil, fmt.Errorf("member %q: %w", name, err)
		}
	}
	return b, nil
}

// isEmpty says what omitempty omits.
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

// appendForeign leaves a value to encoding/json, and with it to methods of the caller's own types: a panic there is an
// error of this value, not the end of the process.
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

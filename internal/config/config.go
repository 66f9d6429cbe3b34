// Package config holds what every Config of this module does alike: defaults for zero fields, -1 for off, and a
// Validate that reports every problem at once, under the name that the operator wrote.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Default sets *field to def if it holds the zero value.
func Default[T comparable](field *T, def T) {
	var zero T
	if *field == zero {
		*field = def
	}
}

// OrOff returns v, or 0 if v is negative, which is how a setting is switched off.
func OrOff[T ~int | ~int64 | ~float64](v T) T { return max(v, 0) }

// FieldError is one problem of one setting.
type FieldError struct {
	Field   string // full name of the setting, such as chunk.max_storage_mb
	Problem string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// A Validator collects the problems of one section of the configuration. Use New.
type Validator struct {
	section string
	errs    []error
}

// New returns a Validator whose errors name settings below section, such as "chunk". An empty section adds nothing.
func New(section string) *Validator { return &Validator{section: section} }

// Name returns the full name of a setting of the section.
func (v *Validator) Name(field string) string {
	if v.section == "" {
		return field
	}
	return v.section + "." + field
}

// Addf reports a problem of a setting.
func (v *Validator) Addf(field, format string, args ...any) {
	v.errs = append(v.errs, &FieldError{v.Name(field), fmt.Sprintf(format, args...)})
}

// Nest reports the problems of a part of the section. Fields that err names are placed below field, or directly in the
// section if field is empty.
func (v *Validator) Nest(field string, err error) {
	if field != "" {
		field += "."
	}
	for _, one := range All(err) {
		if e, ok := errors.AsType[*FieldError](one); ok {
			v.errs = append(v.errs, &FieldError{v.Name(field + e.Field), e.Problem})
		} else {
			v.Addf(strings.TrimSuffix(field, "."), "%v", one)
		}
	}
}

// OneOf reports value unless it is one of allowed.
func (v *Validator) OneOf(field, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.Addf(field, "%q: want %s", value, Alternatives(allowed))
	}
}

// Problems returns the problems reported so far.
func (v *Validator) Problems() []error { return v.errs }

// Err returns all problems joined, or nil.
func (v *Validator) Err() error { return errors.Join(v.errs...) }

// Range reports value if it is below low or above high.
func Range[T cmp.Ordered](v *Validator, field string, value, low, high T) {
	if !(value >= low && value <= high) { // also for NaN
		v.Addf(field, "%v is outside %v to %v", value, low, high)
	}
}

// RangeOrOff reports value if it is neither -1, which means off, nor between low and high.
func RangeOrOff[T ~int | ~int64 | ~float64](v *Validator, field string, value, low, high T) {
	if value != -1 && !(value >= low && value <= high) {
		v.Addf(field, "%v is outside %v to %v, and not -1 for off", value, low, high)
	}
}

// All takes a joined error apart. It returns nil for nil.
func All(err error) []error {
	switch e := err.(type) {
	case nil:
		return nil
	case interface{ Unwrap() []error }:
		var out []error
		for _, one := range e.Unwrap() {
			out = append(out, All(one)...)
		}
		return out
	}
	return []error{err}
}

// Alternatives lists words as a sentence has them: a, b or c.
func Alternatives(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

package configfile

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Setting is one field of a configuration, or a struct of such fields. Settings are found by reflection, so that a new
// field of a package is a new setting.
type Setting struct {
	Path  []string // such as chunk, max_storage_mb
	Value reflect.Value
}

// Key returns the full name of the setting, such as chunk.max_storage_mb.
func (s Setting) Key() string { return strings.Join(s.Path, ".") }

// Env returns the environment variable that sets it, which begins with prefix.
func (s Setting) Env(prefix string) string {
	return prefix + strings.ToUpper(strings.Join(s.Path, "_"))
}

func (s Setting) name() string   { return s.Path[len(s.Path)-1] }
func (s Setting) isStruct() bool { return s.Value.Kind() == reflect.Struct }
func (s Setting) isList() bool   { return s.Value.Kind() == reflect.Slice }

// child returns a setting below s.
func (s Setting) child(name string, v reflect.Value) Setting {
	return Setting{append(slices.Clone(s.Path), name), v}
}

// Members returns the settings of a struct, in the order of its fields.
func (s Setting) Members() (out []Setting) {
	for i := range s.Value.NumField() {
		if sf := s.Value.Type().Field(i); InFile(sf) {
			out = append(out, s.child(KeyOf(sf), s.Value.Field(i)))
		}
	}
	return out
}

// resize makes a list of n zero elements of the setting and returns them.
func (s Setting) resize(n int) []Setting {
	s.Value.Set(reflect.MakeSlice(s.Value.Type(), n, n))
	out := make([]Setting, n)
	for i := range out {
		out[i] = s.child(strconv.Itoa(i), s.Value.Index(i))
	}
	return out
}

// Leaves returns the settings that are no structs: those given, and those within the given ones.
func Leaves(settings []Setting) (out []Setting) {
	for _, s := range settings {
		if s.isStruct() {
			out = append(out, Leaves(s.Members())...)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// InFile reports whether a field is a setting. Callbacks, interfaces and fields with the tag yaml:"-" are for programs.
func InFile(sf reflect.StructField) bool {
	return sf.IsExported() && sf.Tag.Get("yaml") != "-" && settable(sf.Type)
}

func settable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Func, reflect.Interface, reflect.Chan, reflect.Pointer:
		return false
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Struct || settable(t.Elem())
	}
	return true
}

// KeyOf returns the key of a field: its yaml tag, or its name in lower case with underscores.
func KeyOf(sf reflect.StructField) string {
	if tag, _, _ := strings.Cut(sf.Tag.Get("yaml"), ","); tag != "" {
		return tag
	}
	var b strings.Builder
	name := []rune(sf.Name)
	for i, r := range name {
		next := i+1 < len(name) && unicode.IsLower(name[i+1])
		if i > 0 && unicode.IsUpper(r) && (unicode.IsLower(name[i-1]) || unicode.IsDigit(name[i-1]) || next) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// plain returns a key without case and underscores: max_storage_mb and MaxStorageMB are the same.
func plain(key string) string { return strings.ToLower(strings.ReplaceAll(key, "_", "")) }

var durationType = reflect.TypeFor[time.Duration]()

// setText sets a value from the text of a scalar or of an environment variable.
func setText(v reflect.Value, text string) error {
	switch {
	case v.Type() == durationType:
		d, err := time.ParseDuration(text)
		if n, e := strconv.ParseInt(text, 10, 64); e == nil && n <= 0 {
			d, err = time.Duration(n), nil // 0 and -1 need no unit
		}
		if err != nil {
			return fmt.Errorf("invalid duration %q (for example 90s, 5m or 1h30m)", text)
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		switch strings.ToLower(text) {
		case "true", "yes", "on", "1":
			v.SetBool(true)
		case "false", "no", "off", "0":
			v.SetBool(false)
		default:
			return fmt.Errorf("%q is neither true nor false", text)
		}
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || v.OverflowInt(n) {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || v.OverflowUint(n) {
			return fmt.Errorf("%q is not a whole number of 0 or more", text)
		}
		v.SetUint(n)
	case v.CanFloat():
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		v.SetFloat(x)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
		v.Set(reflect.ValueOf(strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })).Convert(v.Type()))
	case v.Kind() == reflect.Slice:
		return fmt.Errorf("want a list")
	default:
		return fmt.Errorf("cannot set a %s from text", v.Type())
	}
	return nil
}

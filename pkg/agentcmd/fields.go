package agentcmd

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// field is one setting of the configuration: found by reflection, so that a package's new field is a new setting.
type field struct {
	path  []string // e.g. chunk, max_storage_mb
	value reflect.Value
}

func (f field) key() string { return strings.Join(f.path, ".") }

// env is the environment variable that sets it.
func (f field) env(prefix string) string { return prefix + strings.ToUpper(strings.Join(f.path, "_")) }

var durationType = reflect.TypeFor[time.Duration]()

// fields lists every setting below v, in the order of the structs.
func fields(v reflect.Value, path ...string) (out []field) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if !sf.IsExported() || !settable(sf.Type) {
			continue
		}
		p := append(slices.Clone(path), keyOf(sf))
		if f := v.Field(i); f.Kind() == reflect.Struct {
			out = append(out, fields(f, p...)...)
		} else {
			out = append(out, field{p, f})
		}
	}
	return out
}

// settable says whether a file can give a value of the type: callbacks and sinks are for programs.
func settable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Func, reflect.Interface, reflect.Chan, reflect.Pointer:
		return false
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Struct || settable(t.Elem())
	}
	return true
}

// keyOf is the canonical spelling of a field's key: its yaml tag, or its name in lower case with underscores.
func keyOf(sf reflect.StructField) string {
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

// plain is a key without case and underscores: max_storage_mb and MaxStorageMB are the same.
func plain(key string) string { return strings.ToLower(strings.ReplaceAll(key, "_", "")) }

// setText gives a field a value from a text, as a file's scalar, a variable or a default has it.
func setText(v reflect.Value, text string) error {
	switch {
	case v.Type() == durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			if n, e := strconv.ParseInt(text, 10, 64); e == nil && n <= 0 { // 0 and -1 need no unit
				v.SetInt(n)
				return nil
			}
			return fmt.Errorf("%q is no duration, e.g. 90s, 5m or 1h30m", text)
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
			return fmt.Errorf("%q is no whole number", text)
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || v.OverflowUint(n) {
			return fmt.Errorf("%q is no whole number of 0 or more", text)
		}
		v.SetUint(n)
	case v.CanFloat():
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%q is no number", text)
		}
		v.SetFloat(x)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
		v.Set(reflect.ValueOf(strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })).Convert(v.Type()))
	default:
		return fmt.Errorf("a %s cannot be given as a text", v.Type())
	}
	return nil
}

// nearest returns the candidate that key was probably meant to be, "" for none.
func nearest(key string, candidates []string) string {
	best, name := max(len(key)/3, 1)+1, ""
	for _, c := range candidates {
		if d := distance(plain(key), plain(c)); d < best {
			best, name = d, c
		}
	}
	for i := 0; name == "" && len(key) > 2 && i < len(candidates); i++ {
		if strings.HasPrefix(plain(candidates[i]), plain(key)) { // token for token_file
			name = candidates[i]
		}
	}
	return name
}

// distance is the number of single-character changes from a to b; two neighbours exchanged count as two.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := prev
			if a[i] != b[j] {
				cost = min(prev, row[j], row[j+1]) + 1
			}
			prev, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

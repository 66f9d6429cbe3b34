package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/jsonx"
	"github.com/rediverio/sdk/internal/redact"
)

// safeDetails encodes the details. If a method of a value panics, the details are lost, but not the event.
func (enc *encoder) safeDetails(m map[string]any) {
	start := len(enc.buf)
	defer func() {
		if r := recover(); r != nil {
			enc.buf = append(enc.buf[:start], `{"unencodable":`...)
			enc.placeholder(m)
			enc.buf = append(enc.buf, '}')
		}
	}()
	enc.object(m, 1)
}

// object encodes m with sorted keys. After MaxEntries, or when the line is full, the remaining entries are left out.
func (enc *encoder) object(m map[string]any, depth int) {
	keys := keyPool.Get().(*[]string)
	defer func() {
		clear(*keys)
		*keys = (*keys)[:0]
		keyPool.Put(keys)
	}()
	for k := range m {
		*keys = append(*keys, k)
	}
	slices.Sort(*keys)
	enc.buf = append(enc.buf, '{')
	for i, k := range *keys {
		if i == MaxEntries || len(enc.buf) > detailsBudget {
			enc.truncated = true
			for _, k := range (*keys)[i:] {
				enc.leave(k, m[k])
			}
			break
		}
		if i > 0 {
			enc.buf = append(enc.buf, ',')
		}
		enc.entry(k, m[k], depth)
	}
	enc.buf = append(enc.buf, '}')
}

var keyPool = sync.Pool{New: func() any { return new([]string) }}

// leave counts the size of an entry that is left out.
func (enc *encoder) leave(key string, v any) {
	s, _ := v.(string)
	enc.left += len(key) + len(s) + len(`"":"",`)
}

func (enc *encoder) entry(key string, v any, depth int) {
	enc.key = "" // the key itself has no name
	enc.text(key, MaxIDBytes)
	enc.buf = append(enc.buf, ':')
	enc.key = key
	if redact.Hides(key, v) {
		enc.buf = append(enc.buf, `"`+redact.Marker+`"`...)
		return
	}
	enc.value(v, depth)
}

// value encodes v. The common types need neither reflection nor allocation.
func (enc *encoder) value(v any, depth int) {
	switch v := v.(type) {
	case nil:
		enc.buf = append(enc.buf, "null"...)
	case string:
		enc.text(v, MaxStringBytes)
	case bool:
		enc.buf = strconv.AppendBool(enc.buf, v)
	case int:
		enc.buf = strconv.AppendInt(enc.buf, int64(v), 10)
	case int64:
		enc.buf = strconv.AppendInt(enc.buf, v, 10)
	case uint64:
		enc.buf = strconv.AppendUint(enc.buf, v, 10)
	case float64:
		enc.number(v)
	case json.Number:
		enc.jsonNumber(v)
	case time.Duration:
		enc.text(v.String(), MaxStringBytes)
	case time.Time:
		enc.text(v.UTC().Format(time.RFC3339Nano), MaxStringBytes)
	case map[string]any:
		if enc.deep(depth + 1) {
			return
		}
		enc.object(v, depth+1)
	default:
		enc.other(v, depth)
	}
}

// deep encodes a placeholder and returns true if depth exceeds MaxDepth. It also ends cycles.
func (enc *encoder) deep(depth int) bool {
	if depth <= MaxDepth {
		return false
	}
	enc.truncated = true
	enc.buf = append(enc.buf, `"[too deep]"`...)
	return true
}

// other encodes v by reflection.
func (enc *encoder) other(v any, depth int) {
	switch t := v.(type) {
	case json.Marshaler:
		enc.marshalled(v, depth)
		return
	case error:
		enc.text(t.Error(), MaxStringBytes)
		return
	case fmt.Stringer:
		enc.text(t.String(), MaxStringBytes)
		return
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Bool:
		enc.buf = strconv.AppendBool(enc.buf, r.Bool())
	case reflect.String:
		enc.text(r.String(), MaxStringBytes)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		enc.buf = strconv.AppendInt(enc.buf, r.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		enc.buf = strconv.AppendUint(enc.buf, r.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		enc.number(r.Float())
	case reflect.Slice, reflect.Array:
		enc.list(r, depth+1)
	case reflect.Map:
		enc.anyMap(r, depth+1)
	case reflect.Pointer:
		switch {
		case r.IsNil():
			enc.buf = append(enc.buf, "null"...)
		case enc.deep(depth + 1): // a pointer to itself ends here
		default:
			enc.value(r.Elem().Interface(), depth+1)
		}
	case reflect.Struct:
		enc.marshalled(v, depth)
	default: // chan, func, complex
		enc.placeholder(v)
	}
}

// list encodes a slice or array. As in a command line, it redacts the element after a flag such as --token.
func (enc *encoder) list(r reflect.Value, depth int) {
	if r.Type().Elem().Kind() == reflect.Uint8 {
		enc.buf = jsonx.AppendPrintable(enc.buf, fmt.Sprintf("[%d bytes]", r.Len())) // no binary data in an audit log
		return
	}
	if enc.deep(depth) {
		return
	}
	enc.buf = append(enc.buf, '[')
	hide, key := false, enc.key
	for i := range r.Len() {
		enc.key = key
		if i == MaxEntries || len(enc.buf) > detailsBudget {
			enc.truncated = true
			enc.left += r.Len() - i
			break
		}
		if i > 0 {
			enc.buf = append(enc.buf, ',')
		}
		v := r.Index(i).Interface()
		s, _ := v.(string)
		if hide {
			v = redact.Marker
		}
		hide = redact.Flag(s)
		enc.value(v, depth)
	}
	enc.buf = append(enc.buf, ']')
}

// anyMap encodes a map of any type as a map[string]any. A map that is too large to copy becomes a placeholder.
func (enc *encoder) anyMap(r reflect.Value, depth int) {
	if enc.deep(depth) {
		return
	}
	if r.Len() > 64*MaxEntries {
		enc.placeholder(r.Interface())
		return
	}
	m := make(map[string]any, r.Len())
	for it := r.MapRange(); it.Next(); {
		m[fmt.Sprint(it.Key().Interface())] = it.Value().Interface()
	}
	enc.object(m, depth)
}

// marshalled encodes v with encoding/json, and decodes the result so that the limits and the redaction apply inside it too.
func (enc *encoder) marshalled(v any, depth int) {
	b, err := json.Marshal(v)
	if err != nil {
		enc.placeholder(v)
		return
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var plain any
	if err := dec.Decode(&plain); err != nil {
		enc.placeholder(v)
		return
	}
	enc.value(plain, depth)
}

func (enc *encoder) jsonNumber(n json.Number) {
	if len(n) <= 64 && json.Valid([]byte(n)) && n != "" && (n[0] == '-' || n[0] >= '0' && n[0] <= '9') {
		enc.buf = append(enc.buf, n...)
		return
	}
	enc.text(string(n), MaxStringBytes)
}

// placeholder encodes the type of a value that JSON cannot represent.
func (enc *encoder) placeholder(v any) {
	enc.text(fmt.Sprintf("[unencodable %T]", v), MaxStringBytes)
}

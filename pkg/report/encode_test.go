package report

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// plainType returns t with every struct of the model replaced by one of the same fields without methods, so that
// encoding/json encodes it itself.
func plainType(t reflect.Type) reflect.Type {
	switch {
	case t.Kind() == reflect.Pointer:
		return reflect.PointerTo(plainType(t.Elem()))
	case t.Kind() == reflect.Slice && t.Name() == "":
		return reflect.SliceOf(plainType(t.Elem()))
	case t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[Report]().PkgPath():
		return t
	}
	var fields []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		f.Type, f.Offset, f.Index = plainType(f.Type), 0, nil
		fields = append(fields, f)
	}
	return reflect.StructOf(fields)
}

// toPlain copies src, a value of the model, to dst, which has its plainType.
func toPlain(dst, src reflect.Value) {
	switch {
	case dst.Type() == src.Type():
		dst.Set(src)
	case src.Kind() == reflect.Pointer && !src.IsNil():
		dst.Set(reflect.New(dst.Type().Elem()))
		toPlain(dst.Elem(), src.Elem())
	case src.Kind() == reflect.Slice && !src.IsNil():
		dst.Set(reflect.MakeSlice(dst.Type(), src.Len(), src.Len()))
		for i := range src.Len() {
			toPlain(dst.Index(i), src.Index(i))
		}
	case src.Kind() == reflect.Struct:
		for i := range src.NumField() {
			toPlain(dst.Field(i), src.Field(i))
		}
	}
}

// asEncodingJSON compares the JSON of x, a pointer to a value of the model, with that of encoding/json for the same fields.
func asEncodingJSON(t *testing.T, x any) {
	t.Helper()
	v := reflect.ValueOf(x).Elem()
	plain := reflect.New(plainType(v.Type()))
	toPlain(plain.Elem(), v)
	want, wantErr := json.Marshal(plain.Interface())
	got, err := marshal(x)
	if string(got) != string(want) || (err == nil) != (wantErr == nil) {
		t.Fatalf("%T\n got %s, %v\nwant %s, %v", x, got, err, want, wantErr)
	}
	if err != nil {
		return
	}
	if again, err := json.Marshal(x); err != nil || string(again) != string(want) {
		t.Fatalf("through MarshalJSON: %s, %v", again, err)
	}
}

// filler fills the model with values, some of which are hard to encode.
type filler struct {
	r    *rand.Rand
	text func() string
}

func (f *filler) fill(v reflect.Value) {
	if f.r.IntN(4) == 0 {
		return // the zero value
	}
	switch x := v.Addr().Interface().(type) {
	case *Extra: // tested elsewhere
		return
	case *time.Time:
		*x = time.Unix(f.r.Int64N(1<<38), f.r.Int64N(2)*f.r.Int64N(1e9)).In(time.FixedZone("", f.r.IntN(4)*1800))
		return
	case *Properties:
		*x = Properties{f.text(): f.text(), "n": f.r.Float64(), "deep": map[string]any{"k": []any{nil, true, f.text()}}}
		return
	case *map[string]string:
		*x = map[string]string{f.text(): f.text(), "b": ""}
		return
	case *json.RawMessage:
		*x = json.RawMessage([]string{`{ "a" : "<b>" }`, `null`, "[1, 2\n]", `"&"`, "\"\u2028\""}[f.r.IntN(5)])
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.text())
	case reflect.Int, reflect.Int64:
		v.SetInt(f.r.Int64() >> f.r.IntN(64))
	case reflect.Float64:
		v.SetFloat([]float64{0.1, 0, math.Copysign(0, -1), 1e21, 1e-7, 9.8, math.MaxFloat64, -3}[f.r.IntN(8)])
	case reflect.Bool:
		v.SetBool(f.r.IntN(2) == 0)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), f.r.IntN(4), 4))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	}
}

// hard are strings that encoders treat differently.
var hard = []string{"", "plain", `"\/`, "<script>&amp;", "\x00\x1f\x7f\b\f\n\r\t", "é 世 \u2028\u2029 \ufffd", "\xff\xc3(\xed\xa0\x80", "𝄞\xf0\x9d"}

// Every field of the model, including a future one, is encoded as by encoding/json.
func TestEncodesLikeEncodingJSON(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 11))
		f := filler{r, func() string { return hard[r.IntN(len(hard))] + hard[r.IntN(len(hard))] }}
		var rep Report
		for v := reflect.ValueOf(&rep).Elem(); reflect.DeepEqual(rep, Report{}); {
			f.fill(v)
		}
		asEncodingJSON(t, &rep)
		for _, x := range rep.Findings {
			if x != nil {
				asEncodingJSON(t, x)
			}
		}
		asEncodingJSON(t, &rep.Metadata)
	}
	asEncodingJSON(t, &Report{})
	asEncodingJSON(t, &Finding{})
	for _, year := range []int{-1, 10000} {
		asEncodingJSON(t, &Metadata{Timestamp: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)})
	}
	asEncodingJSON(t, &Metadata{Timestamp: time.Now().In(time.FixedZone("", 25*3600))})
	for _, bad := range []*Finding{{Rank: math.NaN()}, {Stacks: json.RawMessage("{")}, {DataFlow: json.RawMessage(" ")}} {
		asEncodingJSON(t, bad)
	}
}

func FuzzEncodeFinding(f *testing.F) {
	for i, s := range hard {
		f.Add(uint64(i), s)
	}
	f.Fuzz(func(t *testing.T, seed uint64, s string) {
		r := rand.New(rand.NewPCG(seed, 13))
		fill := filler{r, func() string { return s[r.IntN(len(s)+1):] }}
		var x Finding
		fill.fill(reflect.ValueOf(&x).Elem())
		asEncodingJSON(t, &x)
	})
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("no such thing") }

// A panic while a value of the caller is encoded is an error.
func TestPanicIsAnError(t *testing.T) {
	cycle := map[string]any{}
	cycle["self"] = cycle
	for name, bad := range map[string]any{"panic": panics{}, "cycle": cycle, "channel": make(chan int)} {
		p := Properties{"deep": []any{bad}}
		for _, x := range []json.Marshaler{Report{Properties: p}, Finding{Properties: p}, Metadata{Properties: p}} {
			if _, err := x.MarshalJSON(); err == nil || !strings.Contains(err.Error(), "properties") {
				t.Errorf("%s in %T: %v", name, x, err)
			}
		}
	}
}

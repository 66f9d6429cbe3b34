package jsonx_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/rediverio/sdk/internal/jsonx"
)

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", `"\/`, "<script>&amp;", "\x00\x1f\x7f\b\f\n\r\t", "é 世 \u2028\u2029 \ufffd", "\xff\xc3(\xed\xa0\x80", "𝄞\xf0\x9d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := jsonx.AppendString(nil, s); string(got) != string(want) {
			t.Errorf("AppendString(%q) = %s, want %s", s, got, want)
		}
	})
}

// FuzzMembers compares Members with encoding/json.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{`{}`, ` { } `, `null`, `[]`, `1`, `{"a":1,"a":2}`, `{"a\"b":"c\\","d":"}"}`,
		`{"\u0041":-1.5e3 , "b" : [ "]" , {"x":"}"} ] ,"c":null}`, "{\"\xff\":1}", `{"":{}}`, `{"a":"\\\""}`, `{"\ud800":true}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			return
		}
		got := map[string]json.RawMessage{}
		var want map[string]json.RawMessage
		if err := jsonx.Members(b, func(name, value []byte) { got[string(name)] = bytes.Clone(value) }); err != nil {
			t.Fatalf("%v in %q", err, b)
		}
		if json.Unmarshal(b, &want) != nil {
			want = nil // no object
		}
		equal := func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }
		if !maps.EqualFunc(got, want, equal) {
			t.Errorf("%q: got %q, want %q", b, got, want)
		}
	})
}

// An object's unknown members come back as they were written, whatever the case of the known ones.
func TestUnmarshalReturnsUnknownMembers(t *testing.T) {
	var v struct {
		Name string `json:"name"`
	}
	unknown, err := jsonx.Unmarshal([]byte(`{"NAME":"a","x":1.50,"y":{"deep":null}}`), &v)
	if err != nil || v.Name != "a" || len(unknown) != 2 || string(unknown["x"]) != "1.50" || string(unknown["y"]) != `{"deep":null}` {
		t.Errorf("Unmarshal = %s, %v with name %q; want x and y", unknown, err, v.Name)
	}
	if _, err := jsonx.Unmarshal([]byte(`{"name":`), &v); err == nil {
		t.Error("Unmarshal of half an object returned no error")
	}
}

// The scanner accepts exactly what encoding/json accepts.
func FuzzScanner(f *testing.F) {
	for _, s := range []string{`{"a":[1,-0.5e+3,true,false,null,"\u00e9\\\n"],"b":{}}`, `[]`, ` {} `, `01`, `-`, `1.`, `1e`, `"\ud800"`, `"\x"`, "\"\t\"", `[1,]`, `{,}`,
		`{"a":1,}`, `{"a"}`, `{1:2}`, `tru`, `nulll`, `"`, `[`, `{"a":`, "\xff", "\"\xff\"", `[1 2]`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := jsonx.NewScanner(data)
		value, err := s.Value()
		s.Peek()
		valid := err == nil && s.Pos() == len(data)
		if want := json.Valid(data); valid != want {
			t.Fatalf("Value(%q) found valid JSON = %v (%v), encoding/json = %v", data, valid, err, want)
		}
		var want string
		if valid && value[0] == '"' && json.Unmarshal(value, &want) == nil {
			if got, ok := jsonx.String(value); got != want || !ok {
				t.Fatalf("String(%q) = %q, %v; want %q", data, got, ok, want)
			}
		}
	})
}

func FuzzAppendPrintable(f *testing.F) {
	for _, s := range []string{"plain", `"\`, "a\nb\x1b[31m", "\u202e\u2028", "\xff", "𝄞 \U000e0001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := jsonx.AppendPrintable(nil, s)
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") && utf8.ValidString(s) {
			t.Fatalf("AppendPrintable(%q) = %s, which decodes to %q, %v", s, got, back, err)
		}
		for _, r := range string(got) {
			if !unicode.IsPrint(r) {
				t.Fatalf("AppendPrintable(%q) = %q, which has %q", s, got, r)
			}
		}
	})
}

func TestScannerDeepest(t *testing.T) {
	for text, want := range map[string]int{`1`: 0, `[]`: 1, `{"a":[{}],"b":[]}`: 3} {
		s := jsonx.NewScanner([]byte(text))
		if _, err := s.Value(); err != nil || s.Deepest() != want {
			t.Errorf("Deepest of %s = %d, %v; want %d", text, s.Deepest(), err, want)
		}
	}
}

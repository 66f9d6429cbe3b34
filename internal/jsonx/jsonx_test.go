package jsonx_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"testing"

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
		if err := jsonx.Members(b, func(k string, v []byte) { got[k] = bytes.Clone(v) }); err != nil {
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

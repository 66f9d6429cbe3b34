package term_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rediverio/sdk/internal/term"
)

// hostile holds one text of each kind that a terminal would act on or hide.
var hostile = []struct{ name, text, escaped string }{
	{"clear screen", "a\x1b[2Jb", `a\x1b[2Jb`},
	{"title", "a\x1b]0;owned\ab", `a\x1b]0;owned\ab`},
	{"carriage return", "ok\rFAIL", `ok\rFAIL`},
	{"backspace", "a\bb", `a\bb`},
	{"delete", "a\x7fb", `a\x7fb`},
	{"C1 control sequence introducer", "a\u009b2Jb", `a\u009b2Jb`},
	{"raw C1 byte", "a\x9b2Jb", `a\x9b2Jb`},
	{"bidirectional override", "a\u202egpj.exe", `a\u202egpj.exe`},
	{"bidirectional isolate", "a\u2066b", `a\u2066b`},
	{"zero-width space", "a\u200bb", `a\u200bb`},
	{"zero-width joiner", "a\u200db", `a\u200db`},
	{"byte order mark", "a\ufeffb", `a\ufeffb`},
	{"line separator", "a\u2028b", `a\u2028b`},
	{"tag character", "a\U000e0041b", `a\U000e0041b`},
}

func TestTextEscapesWhatATerminalActsOn(t *testing.T) {
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			if got := term.Text(c.text); got != c.escaped {
				t.Errorf("Text(%q) = %q, want %q", c.text, got, c.escaped)
			}
			for _, got := range []string{term.Line(c.text, 100), term.Quote(c.text, 100), string(term.JSON([]byte(c.text)))} {
				if strings.ContainsFunc(got, func(r rune) bool { return !strconv.IsPrint(r) }) {
					t.Errorf("%q holds a character that is not printable", got)
				}
			}
		})
	}
	for _, plain := range []string{"", "plain", "naïve – 日本語 😀", "two\nlines\tand a tab"} {
		if got := term.Text(plain); got != plain {
			t.Errorf("Text(%q) = %q, want it unchanged", plain, got)
		}
	}
}

func TestLineIsOneLine(t *testing.T) {
	for _, c := range []struct {
		text, want string
		max        int
	}{
		{"two\nlines\tand a tab", "two lines and a tab", 100},
		{"exactly", "exactly", 7},
		{"too long", "too lo…", 7},
		{"äöüß", "äö…", 3},
		{"\x1b\x1b", `\x1b\x1b`, 8},
	} {
		if got := term.Line(c.text, c.max); got != c.want {
			t.Errorf("Line(%q, %d) = %q, want %q", c.text, c.max, got, c.want)
		}
	}
}

func TestJSONKeepsItsMeaning(t *testing.T) {
	for _, c := range hostile {
		b := []byte(`{"text":` + string(must(json.Marshal(c.text))) + "}\n")
		var before, after any
		if err := json.Unmarshal(b, &before); err != nil {
			t.Fatal(err)
		}
		out := term.JSON(b)
		if err := json.Unmarshal(out, &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("JSON(%q) = %q, which means %v, %v; want %v", b, out, after, err, before)
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte("{\"a\u202e\":\t\"\u009b\xff\U000e0001\"}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after any
		if json.Unmarshal(b, &before) != nil {
			return
		}
		out := term.JSON(b)
		if err := json.Unmarshal(out, &after); err != nil || fmt.Sprint(before) != fmt.Sprint(after) {
			t.Fatalf("JSON(%q) = %q, which means %v, %v; want %v", b, out, after, err, before)
		}
		if s := strings.ReplaceAll(string(out), "\n", ""); !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
			t.Fatalf("JSON(%q) = %q, which holds a character that is not printable", b, out)
		}
	})
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

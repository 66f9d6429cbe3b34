package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestTail(t *testing.T) {
	var long strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&long, "line %d\r\n", i)
	}
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", nil},
		{"colour", "\x1b[90m3:09AM\x1b[0m \x1b[31mFTL\x1b[0m \x1b[1mbroken\x1b[0m\n", []string{"3:09AM FTL broken"}},
		{"title and cursor", "\x1b]0;title\x07a\x1b[2K\x1b[1;1Hb\n\n\n", []string{"ab"}},
		{"progress", "10%\r20%\r30%\n", []string{"10%", "20%", "30%"}},
		{"controls", "a\x00\x08\tb\x7f\u202ec\xff\n", []string{"a bc"}},
		{"last lines only", long.String(), nil},
		{"one endless line", strings.Repeat("é", Bytes), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "stderr")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got := File(path)
			switch tt.name {
			case "last lines only":
				if len(got) != maxLines || got[maxLines-1] != "line 4999" || got[0] != "line 4980" {
					t.Errorf("got %q", got)
				}
			case "one endless line":
				if len(got) != 1 || len(got[0]) > lineSize+3 || !utf8.ValidString(got[0]) {
					t.Errorf("got %q", got)
				}
			default:
				if !slices.Equal(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			}
		})
	}
	if got := File(filepath.Join(t.TempDir(), "none")); got != nil {
		t.Errorf("no file: got %q", got)
	}
}

func FuzzLastLines(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m\nnext", true)
	f.Add("\x1b]0;\x1b[", false)
	f.Fuzz(func(t *testing.T, text string, cut bool) {
		got := Lines(text, cut)
		if len(got) > maxLines {
			t.Errorf("Lines returned %d lines, want at most 20", len(got))
		}
		for _, l := range got {
			if l == "" || len(l) > lineSize+3 || !utf8.ValidString(l) || strings.ContainsFunc(l, unicode.IsControl) {
				t.Errorf("%q", l)
			}
		}
	})
}

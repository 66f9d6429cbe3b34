package report

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckID(t *testing.T) {
	for id, ok := range map[string]bool{
		"a": true, "A-z_09": true, strings.Repeat("x", MaxIDLen): true, "-": true,
		"": false, strings.Repeat("x", MaxIDLen+1): false, "a b": false, "a/b": false, "..": false, "a:b": false,
		"é": false, "a\x00": false, "a\n": false, "\xff": false, "ａ": false,
	} {
		err := CheckID("report_id", id)
		var ide *IDError
		if (err == nil) != ok || err != nil && (!errors.As(err, &ide) || ide.Field != "report_id" || len(ide.Value) > 64) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestCleanID(t *testing.T) {
	for in, prefix := range map[string]string{
		"ok-1": "ok-1", "a b": "a_b-", "../../etc": "______etc-", "": "-", "é": "_-", strings.Repeat("x", 300): strings.Repeat("x", 64) + "-",
	} {
		if got := CleanID(in); !strings.HasPrefix(got, prefix) || CheckID("", got) != nil {
			t.Errorf("%q became %q", in, got)
		}
	}
	seen := map[string]string{}
	for _, in := range []string{"a b", "a_b", "a\tb", "a/b", "a\\b", "a:b", "A b"} {
		got := CleanID(in)
		if other, dup := seen[got]; dup {
			t.Errorf("%q and %q both became %q", in, other, got)
		}
		seen[got] = in
	}
}

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewID("report")
		if err := CheckID("id", id); err != nil || seen[id] || !strings.HasPrefix(id, "report-2") {
			t.Fatalf("%q: %v, seen %v", id, err, seen[id])
		}
		seen[id] = true
	}
}

func FuzzCleanID(f *testing.F) {
	for _, s := range []string{"", "a", "a b", "\xff\xfe", strings.Repeat("é", 200), "x-0123456789ab"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := CleanID(s)
		if err := CheckID("id", got); err != nil {
			t.Errorf("%q: %v", s, err)
		}
		if CleanID(s) != got || CleanID(got) != got {
			t.Errorf("%q: not stable", s)
		}
		if (got == s) != (CheckID("id", s) == nil) {
			t.Errorf("%q became %q", s, got)
		}
	})
}

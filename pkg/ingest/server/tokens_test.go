package server

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestLoadTokens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("# who may send\n\n  rdv_live_one   acme \r\nrdv_live_two\tacme.eu\n", 0o600)
	got, err := LoadTokens(path)
	if want := map[string]string{"rdv_live_one": "acme", "rdv_live_two": "acme.eu"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	write("verysecret1 a\nverysecret1 b\nverysecret2\nverysecret3 a/../b\nshort1 c\n", 0o600)
	_, err = LoadTokens(path)
	for _, want := range []string{"line 2 repeats the token of line 1", "line 3 has 1 words", "line 4: tenant", "line 5: token has 6"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "short1") {
		t.Errorf("%v tells a token", err)
	}
	write("# no token\n", 0o600)
	if _, err := LoadTokens(path); err == nil {
		t.Error("an empty file was taken")
	}
	if runtime.GOOS != "windows" {
		for _, mode := range []os.FileMode{0o640, 0o604} {
			write("rdv_live_one acme\n", mode)
			if _, err := LoadTokens(path); !errors.As(err, new(*TokensError)) {
				t.Errorf("mode %o: %v", mode, err)
			}
		}
	}
}

func FuzzParseTokens(f *testing.F) {
	f.Add("rdv_live_one acme\n# x\n")
	f.Fuzz(func(t *testing.T, text string) {
		tokens, err := parseTokens(strings.NewReader(text))
		if err != nil {
			return
		}
		for token, tenant := range tokens {
			if checkToken(token) != nil || checkTenant(tenant) != nil {
				t.Fatalf("took %q %q", token, tenant)
			}
		}
	})
}

package chunk

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/part"
)

func key(n byte) Key { return Key(bytes.Repeat([]byte{n}, 32)) }

func withKeys(keys ...Key) Config {
	cfg := split
	cfg.Keys = (func() ([]Key, error) { return keys, nil })
	return cfg
}

// reopen opens the store of m, which it closes, under another configuration.
func reopen(t *testing.T, m *Manager, cfg Config) *Manager {
	t.Helper()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.DatabasePath = m.db.Path
	return open(t, cfg)
}

func TestEncryptedPartsAreReadWithTheirKeyOnly(t *testing.T) {
	m := open(t, withKeys(key(1)))
	r := testReport("r", 6)
	r.Findings[0].Title = strings.Repeat("a telling title ", 20)
	submit(t, m, r)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	path := m.db.Path
	if b := testkit.Must(os.ReadFile(path)); bytes.Contains(b, []byte("telling")) || bytes.Contains(b, []byte("\x28\xb5\x2f\xfd")) {
		t.Error("the file holds readable data, or a zstd frame")
	}
	for what, cfg := range map[string]Config{"another": withKeys(key(2), key(3)), "none": split} {
		cfg.DatabasePath = path
		var missing *KeyError
		_, err := NewManager(&cfg)
		if !errors.As(err, &missing) || missing.ID != key(1).ID() || missing.Parts != 3 {
			t.Fatalf("%s: %v", what, err)
		}
	}
	cfg := withKeys(key(2), key(1))
	cfg.DatabasePath = path
	m = open(t, cfg)
	if got := titles(t, drain(t, m)); len(got) != 6 {
		t.Errorf("%d of 6 findings", len(got))
	}
}

func TestKeysAreRotated(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("plain", 4))
	m = reopen(t, m, withKeys(key(1)))
	submit(t, m, testReport("old", 2*rekeyBatch+6))
	m = reopen(t, m, withKeys(key(2), key(1)))
	submit(t, m, testReport("new", 4))
	p := next(t, m) // is under way meanwhile
	n, err := m.Rekey(t.Context())
	if want := int64(2 + rekeyBatch + 3); n != want || err != nil {
		t.Fatalf("%d parts encrypted anew, want %d: %v", n, want, err)
	}
	settle(t, m, p, part.Outcome{Kind: part.Released})
	if n, err := m.Rekey(t.Context()); n != 0 || err != nil {
		t.Fatalf("a second time: %d %v", n, err)
	}
	m = reopen(t, m, withKeys(key(2)))
	if got := titles(t, drain(t, m)); len(got) != 4+2*rekeyBatch+6+4 {
		t.Errorf("%d findings", len(got))
	}
	m = reopen(t, m, split) // nothing is left that needs a key
	if _, err := m.Rekey(t.Context()); err == nil {
		t.Error("rekey without a key")
	}
}

// A change or exchange of the data of parts by a program that can write the file is detected.
func TestEncryptedDataBelongsToItsPlace(t *testing.T) {
	m := open(t, withKeys(key(1)))
	submit(t, m, testReport("r", 4))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, m.db.Path, "UPDATE blobs SET data = (SELECT data FROM blobs WHERE pid = 2) WHERE pid = 1",
		"UPDATE parts SET sha = (SELECT sha FROM parts WHERE pid = 2) WHERE pid = 1")
	cfg := withKeys(key(1))
	cfg.DatabasePath = m.db.Path
	m = open(t, cfg)
	for p := next(t, m); p != nil; p = next(t, m) {
		if _, err := p.Report(); (err == nil) != (p.Index == 1) {
			t.Errorf("part %d: %v", p.Index, err)
		}
		settle(t, m, p, part.Outcome{Kind: part.Dead})
	}
}

func TestKeyFile(t *testing.T) {
	line := func(k Key) string { return base64.StdEncoding.EncodeToString(k[:]) + "\n" }
	path := filepath.Join(t.TempDir(), "keys")
	for _, c := range []struct {
		text string
		mode os.FileMode
		want string // in the error; empty: none
	}{
		{"# current\n" + line(key(1)) + "\n  " + line(key(2)), 0o600, ""},
		{line(key(1)), 0o644, "0644"},
		{"", 0o600, "no key"},
		{"\n" + line(key(1))[:20] + "\n", 0o600, "line 2"},
		{"c2hvcnQ=\n", 0o600, "5 bytes"},
		{strings.Repeat(line(key(1)), maxKeys+1), 0o600, fmt.Sprint(maxKeys)},
		{strings.Repeat("#", maxKeyFile+1), 0o600, "larger"},
	} {
		if runtime.GOOS == "windows" && c.mode != 0o600 {
			continue
		}
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		keys, err := readKeyFile(path)
		if c.want == "" && (err != nil || len(keys) != 2 || keys[0] != key(1) || keys[1] != key(2)) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%.20q: %v, want %q", c.text, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), line(key(1))[:10]) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
	if s := fmt.Sprintf("%v %#v %s %+v", key(1), key(1), key(1), []Key{key(1)}); strings.Contains(s, "1, 1") || strings.Contains(s, "1 1") {
		t.Errorf("a printed key shows itself: %s", s)
	}
	cfg := withKeys(key(1))
	cfg.KeyFile = path
	if err := cfg.Validate(); err == nil {
		t.Error("two sources of keys are accepted")
	}
}

func FuzzKeyFile(f *testing.F) {
	f.Add([]byte("# a\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if keys, err := parseKeys(b); err == nil && (len(keys) == 0 || len(keys) > maxKeys) {
			t.Errorf("%d keys", len(keys))
		}
	})
}

func TestLinksInPlaceOfTheDatabaseAreRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // making links is a privilege there
	}
	for _, suffix := range []string{"", "-wal", ".lock", ".reserve"} {
		dir := t.TempDir()
		victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, "chunks.db")
		if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(victim, path+suffix); err != nil {
			t.Fatal(err)
		}
		if _, err := NewManager(&Config{DatabasePath: path}); err == nil || !strings.Contains(err.Error(), path+suffix) {
			t.Errorf("%q: %v", suffix, err)
		}
		if b := testkit.Must(os.ReadFile(victim)); string(b) != "precious" {
			t.Errorf("%q: the file behind the link was changed", suffix)
		}
	}
}

func TestAKeyOfFreedDataIsNotNeeded(t *testing.T) {
	m := open(t, withKeys(key(1)))
	submit(t, m, testReport("r", 6))
	p := next(t, m)
	settle(t, m, p, uploaded)
	m = reopen(t, m, withKeys(key(2), key(1)))
	if n, err := m.Rekey(t.Context()); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	m = reopen(t, m, withKeys(key(2)))
	if got := titles(t, drain(t, m)); len(got) != 4 {
		t.Errorf("%d of 4 findings", len(got))
	}
}

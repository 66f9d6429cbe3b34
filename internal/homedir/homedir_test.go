package homedir

import (
	"path/filepath"
	"testing"
)

func TestExpand(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"HOME", "USERPROFILE", "home"} { // on Unix, Windows and Plan 9
		t.Setenv(name, home)
	}
	abs, err := filepath.Abs("x/~/y")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"~/a/b": filepath.Join(home, "a", "b"), "~/": home, filepath.Join(home, "c"): filepath.Join(home, "c"), "x/~/y": abs,
	} {
		if got, err := Expand(path); got != want || err != nil {
			t.Errorf("Expand(%q) = %q, %v; want %q", path, got, err, want)
		}
	}
}

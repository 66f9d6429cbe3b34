package baseline

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain stands in for the two programs, whose speed follows from their names.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		seconds := 1.0
		if strings.HasPrefix(filepath.Base(os.Args[0]), "slow") {
			seconds = 1.5
		}
		fmt.Printf(`{"op": %g, "same": 2}`, seconds)
		return
	}
	os.Exit(m.Run())
}

func TestASlowerProgramIsFound(t *testing.T) {
	dir := t.TempDir()
	program := func(name string) string {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".exe")
		if err := os.WriteFile(path, b, 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	slow, fast := program("slow"), program("fast")
	o := Options{Limit: 30, Rounds: 3, Duration: time.Millisecond, Dir: dir, Progress: io.Discard}
	for _, c := range []struct {
		head, base string
		ratio      float64
		slow       bool
	}{{slow, fast, 1.5, true}, {fast, slow, 1 / 1.5, false}, {fast, fast, 1, false}} {
		all, err := compare(t.Context(), o, c.head, c.base)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 2 || all[0].Name != "op" || all[0].Ratio != c.ratio || all[0].Slow != c.slow || all[1].Slow {
			t.Errorf("%s beside %s: %+v", filepath.Base(c.head), filepath.Base(c.base), all)
		}
		var out strings.Builder
		Print(&out, all, o.Limit)
		if strings.Contains(out.String(), "slower by more than 30 %") != c.slow {
			t.Error(out.String())
		}
	}
}

func TestAProgramThatFails(t *testing.T) {
	_, err := compare(t.Context(), Options{Rounds: 1, Progress: io.Discard}, filepath.Join(t.TempDir(), "none"), "none")
	if err == nil {
		t.Error("a program that is not there is measured")
	}
}

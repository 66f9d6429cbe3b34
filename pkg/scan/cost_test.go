package scan

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rediverio/sdk/pkg/event"
)

func TestCostIsWhatTheDefinitionDeclares(t *testing.T) {
	heavy := Custom("heavy", "heavy", "{target}", "{output}")
	heavy.Slots, heavy.MemoryBytes = 3, 2<<30
	table, err := NewTable(heavy, Custom("light", "light", "{target}", "{output}"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRunner(Config{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.history.add("heavy", 0, 1<<20); err != nil { // what is declared counts
		t.Fatal(err)
	}
	for name, want := range map[string]Cost{"heavy": {3, 2 << 30, false}, "light": {1, 0, false}, "none": {1, 0, false}} {
		if got := r.Cost(name, t.TempDir()); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestHistoryExpects(t *testing.T) {
	h := &history{keep: 20}
	expect := func(class int, want int64) {
		t.Helper()
		if got := h.expect("a", class); got != want {
			t.Errorf("class %d: %d, want %d", class, got, want)
		}
	}
	expect(3, 0)
	for n := range int64(10) {
		_ = h.add("a", 2, 100-n) // no file
	}
	expect(2, 100) // of few the largest
	expect(6, 100) // a larger target takes no less
	expect(1, 0)   // and a smaller one says nothing
	if got := h.expect("b", 2); got != 0 {
		t.Errorf("of another scanner: %d", got)
	}
	for range 19 {
		_ = h.add("a", 2, 50)
	}
	expect(2, 50) // of the last twenty one may be larger; the ten are forgotten but one
	_ = h.add("a", 2, 70)
	_ = h.add("a", 2, 80)
	expect(2, 70)
}

func TestHistoryIsBounded(t *testing.T) {
	h := &history{keep: 5}
	for i := range 2 * maxPeaks {
		for range 10 {
			_ = h.add(fmt.Sprint("s", i), 0, 1) // no file
		}
		_ = h.add("used", 0, 7)
	}
	if len(h.seen) != maxPeaks || h.expect("used", 0) != 7 || h.expect("s0", 0) != 0 {
		t.Errorf("%d entries", len(h.seen))
	}
	for _, p := range h.seen {
		if len(p.Bytes) > 5 {
			t.Fatalf("%+v", p)
		}
	}
}

func TestHistoryOutlivesItsProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "learned.json")
	h := &history{keep: 5, path: path}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := h.add("a", 1, 300); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	again := &history{keep: 2, path: path, bad: func(err error) { t.Error(err) }}
	if got := again.expect("a", 1); got != 300 || len(again.seen[0].Bytes) != 2 {
		t.Errorf("%d of %+v", got, again.seen)
	}
	if left, _ := filepath.Glob(path + "?*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A damaged file is told of once, and replaced by the next scan.
func TestDamagedHistoryBeginsAnew(t *testing.T) {
	entry := `{"scanner":"a","class":1,"bytes":[5]}`
	for name, text := range map[string]string{
		"empty": "", "cut": `{"version":1,"peaks":[{"sca`, "other version": `{"version":2,"peaks":[]}`,
		"bad name":  strings.Replace(`{"version":1,"peaks":[`+entry+`]}`, `"a"`, `"../a"`, 1),
		"bad class": strings.Replace(`{"version":1,"peaks":[`+entry+`]}`, `1,"bytes"`, `7,"bytes"`, 1),
		"no bytes":  `{"version":1,"peaks":[{"scanner":"a","class":1,"bytes":[]}]}`,
		"negative":  `{"version":1,"peaks":[{"scanner":"a","class":1,"bytes":[-5]}]}`,
		"too many":  `{"version":1,"peaks":[` + strings.Repeat(entry+",", maxPeaks) + entry + `]}`,
		"too large": strings.Repeat(" ", maxHistoryBytes+1),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "learned.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var events []event.Event
			table, err := NewTable(Custom("a", "a", "{target}", "{output}"))
			if err != nil {
				t.Fatal(err)
			}
			r, err := NewRunner(Config{Table: table, LearnFile: path, Sink: event.SinkFunc(func(e event.Event) { events = append(events, e) })})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			for range 2 {
				if c := r.Cost("a", dir); c.Learned || c.MemoryBytes != 0 {
					t.Fatalf("%+v", c)
				}
			}
			if len(events) != 1 || events[0].Type != event.AgentError || !strings.Contains(events[0].Error, path) {
				t.Fatalf("events %+v", events)
			}
			if err := r.history.add("a", 0, 9); err != nil {
				t.Fatal(err)
			}
			again := &history{keep: 1, path: path, bad: func(err error) { t.Error(err) }}
			if got := again.expect("a", 0); got != 9 {
				t.Errorf("%d", got)
			}
		})
	}
}

func TestSizeClass(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sub", "f")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	targets := []string{dir, file}
	if os.Symlink(dir, link) == nil { // not everywhere allowed
		targets = append(targets, link)
	}
	for size, want := range map[int64]int{0: 0, 1<<20 - 1: 0, 1 << 20: 1, 8<<20 - 1: 1, 8 << 20: 2, 1 << 40: maxClass} {
		if err := os.Truncate(file, size); err != nil {
			continue // a file system without such files
		}
		for _, target := range targets {
			if got := sizeOf(target).class(); got != want {
				t.Errorf("%s with %d bytes: class %d, want %d", target, size, got, want)
			}
		}
	}
	if got := sizeOf(filepath.Join(dir, "none")).class(); got != 0 {
		t.Errorf("class %d of nothing", got)
	}
}

func FuzzDecodeHistory(f *testing.F) {
	f.Add([]byte(`{"version":1,"peaks":[{"scanner":"a","class":1,"bytes":[5,6]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		seen, err := decodeHistory(b)
		if err != nil {
			return
		}
		h := &history{keep: 3, seen: slices.Clone(seen)}
		for _, p := range seen {
			if n := h.expect(p.Scanner, p.Class); n <= 0 || n > maxPeakBytes {
				t.Errorf("%d bytes of %+v", n, p)
			}
		}
	})
}

package chunk

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

func TestDamagedFileIsSetAside(t *testing.T) {
	valid := func(t *testing.T) []byte {
		m := open(t, Config{})
		for i := range 20 {
			submit(t, m, testReport("r"+string(rune('a'+i)), 50))
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		return must(os.ReadFile(m.db.path))
	}
	for name, damage := range map[string]func([]byte) []byte{
		"no database at all": func([]byte) []byte { return []byte(strings.Repeat("this is no database. ", 1000)) },
		"cut in half":        func(b []byte) []byte { return b[:len(b)/2] },
		"pages overwritten": func(b []byte) []byte {
			for i := pageSize; i < len(b)-2*pageSize; i += 3 * pageSize {
				copy(b[i:], strings.Repeat("\xff\x00", pageSize/2))
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "chunks.db")
			data := damage(valid(t))
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			rec := &recorder{}
			m := open(t, Config{DatabasePath: path, Sink: rec})
			submit(t, m, testReport("new", 1))
			e := rec.of(event.AgentError)
			if len(e) != 1 || e[0].Severity != event.Critical || e[0].Error == "" {
				t.Fatalf("%+v", e)
			}
			if parts := drain(t, m); int64(len(parts)) != 1+e[0].Details["reports_salvaged"].(int64) {
				t.Errorf("%d parts in the new store: %+v", len(parts), e[0].Details)
			}
			aside, _ := e[0].Details["moved_to"].(string)
			if got, err := os.ReadFile(aside); err != nil || len(got) != len(data) {
				t.Errorf("%d of %d bytes are set aside at %q: %v", len(got), len(data), aside, err)
			}
		})
	}
}

// The check is given up when it takes too long; what it would have found is found by whoever reads it.
func TestStartDoesNotWaitForTheCheck(t *testing.T) {
	defer func(d time.Duration) { checkTime = d }(checkTime)
	checkTime = 0
	v := makeVictim(t, 60)
	path := v.restore(t, func(map[string][]byte) {})
	rec := &recorder{}
	m := open(t, Config{DatabasePath: path, Sink: rec})
	if e := rec.of(event.AgentError); len(e) != 1 || e[0].Severity != event.Warn || !strings.Contains(e[0].Message, "check") || e[0].Details["bytes"] == int64(0) {
		t.Errorf("%+v", e)
	}
	if c := m.Counts(); c.Recovered == 0 {
		t.Errorf("%+v", c)
	}

	path = v.restore(t, func(f map[string][]byte) {
		f["-wal"] = nil
		for page := 2; page < len(f[""])/pageSize; page++ { // every leaf of a table
			if b := f[""][page*pageSize:]; b[0] == 13 {
				b[0] = 0xff
			}
		}
	})
	v.judge(t, path)
}

func TestEmptyDatabaseBesideItsLogIsNoNewOne(t *testing.T) {
	v := makeVictim(t, 0)
	for name, damage := range map[string]func(map[string][]byte){
		"empty":   func(f map[string][]byte) { f[""] = nil },
		"missing": func(f map[string][]byte) { delete(f, "") },
	} {
		t.Run(name, func(t *testing.T) {
			if missing := v.judge(t, v.restore(t, damage)); missing > 0 {
				t.Errorf("%d reports are missing, all of which are in the log", missing)
			}
		})
	}
}

// The list of tables is on the first page; without it nothing could be found.
func TestFirstPageIsNotNeeded(t *testing.T) {
	v := makeVictim(t, 60)
	path := v.restore(t, func(f map[string][]byte) { clear(f[""][:pageSize]); f["-wal"] = nil })
	rec := &recorder{}
	m := open(t, Config{DatabasePath: path, Sink: rec})
	d := salvagedEvent(t, rec)
	if d == nil || d["reports_salvaged"].(int64) < 45 || d["incomplete"] != true {
		t.Errorf("%v", d)
	}
	drain(t, m)
}

// A power cut leaves half a commit at the end of the log: nothing that anybody was promised.
func TestTornEndOfTheLogIsNoDamage(t *testing.T) {
	v := makeVictim(t, 0)
	path := v.restore(t, func(f map[string][]byte) {
		half := slices.Clone(f["-wal"][walHeaderSize : walHeaderSize+walFrameHeader+pageSize]) // its salts are right, its checksum is not
		f["-wal"] = append(f["-wal"], half...)
	})
	rec := &recorder{}
	if err := open(t, Config{DatabasePath: path, Sink: rec}).Close(); err != nil {
		t.Fatal(err)
	}
	if e := rec.of(event.AgentError); len(e) != 1 || e[0].Severity != event.Warn || !strings.Contains(e[0].Message, "torn") {
		t.Errorf("%+v", e)
	}
	if missing := v.judge(t, path); missing > 0 {
		t.Errorf("%d reports are missing", missing)
	}
}

// A bad frame in the middle of the log costs what only that frame held, where SQLite would forget all commits behind it.
func TestCommitsBehindABadFrameAreTaken(t *testing.T) {
	v := makeVictim(t, 0)
	frames := (len(v.files["-wal"]) - walHeaderSize) / (walFrameHeader + pageSize)
	for _, at := range []int{frames / 4, frames / 2, frames * 3 / 4} {
		path := v.restore(t, func(f map[string][]byte) {
			f["-wal"][walHeaderSize+at*(walFrameHeader+pageSize)+walFrameHeader+100] ^= 4
		})
		rec := &recorder{}
		m := open(t, Config{DatabasePath: path, Sink: rec})
		d := salvagedEvent(t, rec)
		if d == nil || d["bad_wal_frames"] != 1 || d["incomplete"] != true || d["reports_salvaged"].(int64) < 45 {
			t.Errorf("frame %d of %d: %v", at, frames, d)
		}
		drain(t, m)
	}
}

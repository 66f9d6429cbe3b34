package chunk

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/chunk/internal/salvage"
	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
	"github.com/rediverio/sdk/pkg/chunk/internal/walimage"
	"github.com/rediverio/sdk/pkg/event"
)

func TestDamagedFileIsReplaced(t *testing.T) {
	valid := func(t *testing.T) []byte {
		m := open(t, Config{})
		for i := range 20 {
			submit(t, m, testReport("r"+string(rune('a'+i)), 50))
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		return testkit.Must(os.ReadFile(m.db.Path))
	}
	for name, damage := range map[string]func([]byte) []byte{
		"not a database": func([]byte) []byte { return []byte(strings.Repeat("not a database. ", 1000)) },
		"cut in half":    func(b []byte) []byte { return b[:len(b)/2] },
		"pages overwritten": func(b []byte) []byte {
			for i := sqlitedb.PageSize; i < len(b)-2*sqlitedb.PageSize; i += 3 * sqlitedb.PageSize {
				copy(b[i:], strings.Repeat("\xff\x00", sqlitedb.PageSize/2))
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
			rec := &testkit.Recorder{}
			m := open(t, Config{DatabasePath: path, Sink: rec})
			submit(t, m, testReport("new", 1))
			e := rec.Events(event.AgentError)
			if len(e) != 1 || e[0].Severity != event.Critical || e[0].Error == "" {
				t.Fatalf("event = %+v, want len(e) == 1 and e[0].Severity == event.Critical and e[0].Error != \"\"", e)
			}
			if parts := drain(t, m); int64(len(parts)) != 1+e[0].Details["reports_salvaged"].(int64) {
				t.Errorf("%d parts in the new store: %+v", len(parts), e[0].Details)
			}
			aside, _ := e[0].Details["moved_to"].(string)
			if got, err := os.ReadFile(aside); err != nil || len(got) != len(data) {
				t.Errorf("%q has %d of %d bytes of the damaged file: %v", aside, len(got), len(data), err)
			}
		})
	}
}

// A check that takes too long is ended; the damage it would have found is found when it is read.
func TestStartDoesNotWaitForTheCheck(t *testing.T) {
	defer func(d time.Duration) { salvage.CheckTime = d }(salvage.CheckTime)
	salvage.CheckTime = 0
	v := makeVictim(t, 60)
	path := v.restore(t, func(map[string][]byte) {})
	rec := &testkit.Recorder{}
	m := open(t, Config{DatabasePath: path, Sink: rec})
	if e := rec.Events(event.AgentError); len(e) != 1 || e[0].Severity != event.Warn || !strings.Contains(e[0].Message, "check") || e[0].Details["bytes"] == int64(0) {
		t.Errorf("event = %+v, want len(e) == 1 and e[0].Severity == event.Warn and strings.Contains(e[0].Message, \"check\") and e[0].Details[\"bytes\"] != int64(0)", e)
	}
	if c := m.Counts(); c.Recovered == 0 {
		t.Errorf("Counts = %+v, want Recovered != 0", c)
	}

	path = v.restore(t, func(f map[string][]byte) {
		f["-wal"] = nil
		for page := 2; page < len(f[""])/sqlitedb.PageSize; page++ { // every leaf of a table
			if b := f[""][page*sqlitedb.PageSize:]; b[0] == 13 {
				b[0] = 0xff
			}
		}
	})
	v.judge(t, path)
}

func TestEmptyDatabaseBesideItsLogIsNotNew(t *testing.T) {
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
	path := v.restore(t, func(f map[string][]byte) { clear(f[""][:sqlitedb.PageSize]); f["-wal"] = nil })
	rec := &testkit.Recorder{}
	m := open(t, Config{DatabasePath: path, Sink: rec})
	d := salvagedEvent(t, rec)
	if d == nil || d["reports_salvaged"].(int64) < 45 || d["incomplete"] != true {
		t.Errorf("event details = %v, want d != nil and d[\"reports_salvaged\"].(int64) >= 45 and d[\"incomplete\"] == true", d)
	}
	drain(t, m)
}

// A power cut leaves half a commit at the end of the log: nothing that anybody was promised.
func TestTornEndOfTheLogIsNotDamage(t *testing.T) {
	v := makeVictim(t, 0)
	path := v.restore(t, func(f map[string][]byte) {
		half := slices.Clone(f["-wal"][walimage.HeaderSize : walimage.HeaderSize+walimage.FrameHeaderSize+sqlitedb.PageSize]) // its salts are right, its checksum is not
		f["-wal"] = append(f["-wal"], half...)
	})
	rec := &testkit.Recorder{}
	if err := open(t, Config{DatabasePath: path, Sink: rec}).Close(); err != nil {
		t.Fatal(err)
	}
	if e := rec.Events(event.AgentError); len(e) != 1 || e[0].Severity != event.Warn || !strings.Contains(e[0].Message, "torn") {
		t.Errorf("event = %+v, want len(e) == 1 and e[0].Severity == event.Warn and strings.Contains(e[0].Message, \"torn\")", e)
	}
	if missing := v.judge(t, path); missing > 0 {
		t.Errorf("%d reports are missing", missing)
	}
}

// A bad frame in the middle of the log costs what only that frame held, where SQLite would forget all commits behind it.
func TestCommitsBehindABadFrameAreTaken(t *testing.T) {
	v := makeVictim(t, 0)
	frames := (len(v.files["-wal"]) - walimage.HeaderSize) / (walimage.FrameHeaderSize + sqlitedb.PageSize)
	for _, at := range []int{frames / 4, frames / 2, frames * 3 / 4} {
		path := v.restore(t, func(f map[string][]byte) {
			f["-wal"][walimage.HeaderSize+at*(walimage.FrameHeaderSize+sqlitedb.PageSize)+walimage.FrameHeaderSize+100] ^= 4
		})
		rec := &testkit.Recorder{}
		m := open(t, Config{DatabasePath: path, Sink: rec})
		d := salvagedEvent(t, rec)
		if d == nil || d["bad_wal_frames"] != 1 || d["incomplete"] != true || d["reports_salvaged"].(int64) < 45 {
			t.Errorf("frame %d of %d: %v", at, frames, d)
		}
		drain(t, m)
	}
}

// A disk that spoils every store is not filled with them.
func TestDamagedStoresDoNotPileUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks.db")
	rec := &testkit.Recorder{}
	for range salvage.KeepCorrupt + 2 {
		if err := os.WriteFile(path, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := open(t, Config{DatabasePath: path, Sink: rec}).Close(); err != nil {
			t.Fatal(err)
		}
	}
	left := testkit.Must(filepath.Glob(path + salvage.CorruptSuffix + "*.json"))
	e := rec.Events(event.AgentError)
	if removed := e[len(e)-1].Details["removed"].([]string); len(left) != salvage.KeepCorrupt || len(removed) == 0 || !strings.HasPrefix(removed[0], "chunks.db"+salvage.CorruptSuffix) {
		t.Errorf("%d are left: %v; removed: %v", len(left), left, removed)
	}
	for _, b := range left {
		if _, err := os.Stat(strings.TrimSuffix(b, ".json")); err != nil {
			t.Error(err)
		}
	}
}

// A store of an earlier version is salvaged into one of this version.
func TestOldSchemaIsSalvaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks.db")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	data := "the data of the only part"
	alter(t, path, "PRAGMA auto_vacuum = 2", schema.Migrations[0], "PRAGMA user_version = 1",
		"INSERT INTO reports (rid, tenant, id, rev, job, tool, priority, state, content, parts, stamp, created) VALUES (7, 'acme', 'old', 3, 'job', 'tool', 5, 1, zeroblob(32), 1, 1, 1)",
		fmt.Sprintf("INSERT INTO parts (pid, rid, idx, state, priority, due, attempts, error, encoding, raw, size, sha, findings, assets, deps, oversize) VALUES (9, 7, 0, 1, 5, 1, 2, 'busy', '', 25, 25, x'%x', 1, 0, 0, 0)",
			sha256.Sum256([]byte(data))),
		"INSERT INTO blobs VALUES (9, CAST('"+data+"' AS BLOB))")
	rec := &testkit.Recorder{}
	if err := (&salvage.Store{Path: path, Sink: rec, Keys: &keyring{}}).Repair(errors.New("known to be damaged")); err != nil {
		t.Fatal(err)
	}
	if d := salvagedEvent(t, rec); d == nil || d["reports_salvaged"] != int64(1) || d["incomplete"] != false {
		t.Fatalf("event details = %v, want d != nil and d[\"reports_salvaged\"] == int64(1) and d[\"incomplete\"] == false", d)
	}
	m := open(t, Config{DatabasePath: path})
	info := testkit.Must(m.Tenant("acme").Report(t.Context(), "old"))
	if len(info) != 1 || info[0].Revision != 3 || info[0].JobID != "job" || info[0].Priority != 5 || info[0].LastError != "busy" {
		t.Errorf("reports = %+v, want len(info) == 1 and info[0].Revision == 3 and info[0].JobID == \"job\" and info[0].Priority == 5 and info[0].LastError == \"busy\"", info)
	}
	if p := next(t, m); p == nil || string(p.Data) != data || p.Attempt != 3 {
		t.Errorf("Next = %+v, want p != nil, string(Data) == data, Attempt == 3", p)
	}
}

// A process that is killed in the middle of a migration leaves the old version, with everything in it.
func TestInterruptedMigrationIsResumed(t *testing.T) {
	v := makeVictim(t, 60)
	path := v.restore(t, func(map[string][]byte) {})
	for version := range schema.Migrations {
		old := filepath.Join(t.TempDir(), "chunks.db")
		d, err := sql.Open("sqlite", sqlitedb.DSN(old, "auto_vacuum(2)", "journal_mode(WAL)"))
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		d.SetMaxOpenConns(1)
		for i := range version {
			if _, err := d.Exec(schema.Migrations[i] + fmt.Sprintf("; PRAGMA user_version = %d", i+1)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.Exec("PRAGMA cache_size = 1; BEGIN IMMEDIATE; " + schema.Migrations[version]); err != nil { // spills into the log
			t.Fatal(err)
		}
		for _, suffix := range []string{"", "-wal"} {
			if err := os.WriteFile(path+suffix, testkit.Must(os.ReadFile(old+suffix)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		rec := &testkit.Recorder{}
		m := open(t, Config{DatabasePath: path, Sink: rec})
		submit(t, m, testReport("r", 1))
		drain(t, m)
		if d := salvagedEvent(t, rec); d != nil {
			t.Errorf("version %d: %+v", version, d)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

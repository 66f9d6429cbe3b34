package walimage

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/internal/testkit"
)

const frameSize = FrameHeaderSize + sqlitedb.PageSize

// openDB returns a database that has made n commits, none of them checkpointed.
func openDB(t *testing.T, n int) *sqlitedb.DB {
	t.Helper()
	d, err := sqlitedb.Open(sqlitedb.Config{Path: filepath.Join(t.TempDir(), "test.db"), Migrations: []string{"CREATE TABLE t (data BLOB)"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { testkit.Check(t, d.Close()) })
	for range n {
		insert(t, d)
	}
	return d
}

func insert(t *testing.T, d *sqlitedb.DB) {
	t.Helper()
	testkit.Check(t, d.Do(context.Background(), sqlitedb.Change{Apply: func(tx *sqlitedb.Tx) error {
		_, err := tx.Exec("INSERT INTO t VALUES (randomblob(3000))")
		return err
	}}))
}

func scan(t testing.TB, log []byte, mark Mark) *Log {
	t.Helper()
	l, err := Scan(bytes.NewReader(log), mark)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestEveryFrameOfALogIsVerified(t *testing.T) {
	d := openDB(t, 60)
	log, mark := testkit.Must(os.ReadFile(d.Path+"-wal")), ReadMark(testkit.Must(os.ReadFile(d.Path+"-shm")))
	whole := scan(t, log, Mark{})
	n := whole.Commits
	if n != mark.Frames || whole.Replay != n || whole.Bad() != 0 || whole.Torn || n < 50 {
		t.Fatalf("Scan = %d commits, %d replayed, %d bad; want %d, as the index has", n, whole.Replay, whole.Bad(), mark.Frames)
	}
	at := func(frame, offset int) int { return HeaderSize + frame*frameSize + offset }
	for name, c := range map[string]struct {
		at       int // the byte to damage
		bad      int
		replayed bool // up to the damage
	}{
		"page":                 {at(20, FrameHeaderSize+77), 1, true},
		"page number":          {at(20, 3), 1, true},
		"commit mark":          {at(20, 7), 1, true},
		"salt":                 {at(20, 9), 0, true},
		"checksum":             {at(20, 17), 0, true}, // the next frame shows that the page is right
		"magic of the log":     {0, 0, false},
		"salt of the log":      {17, 0, false},
		"page size of the log": {9, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := slices.Clone(log)
			b[c.at] ^= 2
			l := scan(t, b, Mark{})
			if l.Commits != n || l.Bad() != c.bad || !l.Damaged() || l.Torn || (l.Replay > 0) != c.replayed || l.Replay > 20 {
				t.Errorf("Scan = %d of %d commits, %d bad, %d replayed, torn %v; want %d bad", l.Commits, n, l.Bad(), l.Replay, l.Torn, c.bad)
			}
		})
	}
	if l := scan(t, log[:at(n, 0)-frameSize], mark); l.Commits != n || l.Bad() != 1 || !l.Damaged() {
		t.Errorf("Scan of a log cut at a frame = %d of %d commits, %d bad; want 1 bad", l.Commits, n, l.Bad())
	}
	last := slices.Clone(log[:at(n, 0)])
	last[len(last)-1] ^= 1
	if l := scan(t, last, Mark{}); l.Damaged() || !l.Torn {
		t.Errorf("Scan of a log with a bad last frame = damaged %v, torn %v; want torn, as after a power cut", l.Damaged(), l.Torn)
	}
	if l := scan(t, last, mark); !l.Damaged() || l.Bad() != 1 {
		t.Errorf("Scan of a log with a bad last frame that is committed = %d bad, want 1", l.Bad())
	}
}

// Frames of the generation before, which follow the current ones in the file, are not damage.
func TestFramesOfAnEarlierGenerationAreNotDamage(t *testing.T) {
	d := openDB(t, 60)
	other, err := sql.Open("sqlite", sqlitedb.DSN(d.Path))
	testkit.Check(t, err)
	_, err = other.Exec("PRAGMA wal_checkpoint(RESTART)")
	testkit.Check(t, err)
	testkit.Check(t, other.Close())
	insert(t, d)
	f, err := Open(d.Path)
	testkit.Check(t, err)
	defer f.Close()
	size := testkit.Must(os.Stat(d.Path + "-wal")).Size()
	if l := f.Log; l.Damaged() || l.Torn || l.Commits == 0 || int64(l.Commits)*frameSize > size/2 {
		t.Errorf("Scan = %d commits in %d bytes, damaged %v, torn %v; want the commits of the current generation", l.Commits, size, l.Damaged(), l.Torn)
	}
}

func FuzzWALScan(f *testing.F) {
	f.Add([]byte{}, 0)
	head := []byte{0x37, 0x7f, 6, 0x82, 0, 0x2d, 0xe2, 0x18, 0, 0, 2, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}
	var one checksum
	one = one.add(head, false)
	for _, n := range one {
		head = append(head, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	f.Add(append(head, make([]byte, 3*(512+FrameHeaderSize))...), 2)
	f.Fuzz(func(t *testing.T, log []byte, marked int) {
		l := scan(t, log, Mark{Frames: marked})
		if len(l.Frames)*(512+FrameHeaderSize) > len(log) || l.Replay > len(l.Frames) || l.Bad() < 0 {
			t.Fatalf("Scan(%d bytes) = %d frames, %d replayed, %d bad", len(log), len(l.Frames), l.Replay, l.Bad())
		}
		for _, fr := range l.Frames {
			if fr.at+l.PageSize > int64(len(log)) {
				t.Fatalf("Scan(%d bytes) has a frame at %d", len(log), fr.at)
			}
		}
		ReadMark(log)
	})
}

package chunk

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/rediverio/sdk/internal/sqlitedb"
)

const walFrameSize = walFrameHeader + sqlitedb.PageSize

func scan(t testing.TB, log []byte, mark walMark) *walScan {
	t.Helper()
	w, err := scanWAL(bytes.NewReader(log), mark)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestEveryFrameOfALogIsVerified(t *testing.T) {
	v := makeVictim(t, 0)
	log, mark := v.files["-wal"], readMark(v.files["-shm"])
	whole := scan(t, log, walMark{})
	n := whole.commits
	if n != mark.frames || whole.replay != n || whole.bad() != 0 || whole.torn || n < 50 {
		t.Fatalf("%d commits, %d replayed, %d bad; the mark says %d", n, whole.replay, whole.bad(), mark.frames)
	}
	at := func(frame, offset int) int { return walHeaderSize + frame*walFrameSize + offset }
	for name, c := range map[string]struct {
		at       int // the byte to damage
		bad      int
		replayed bool // up to the damage, not all
	}{
		"page":                 {at(20, walFrameHeader+77), 1, true},
		"page number":          {at(20, 3), 1, true},
		"commit mark":          {at(20, 7), 1, true},
		"salt":                 {at(20, 9), 0, true},
		"checksum":             {at(20, 17), 0, true}, // the next frame shows that the page is right
		"magic of the log":     {0, 0, false},
		"salt of the log":      {17, 0, false},
		"page size of the log": {9, 0, false},
	} {
		b := slices.Clone(log)
		b[c.at] ^= 2
		w := scan(t, b, walMark{})
		if w.commits != n || w.bad() != c.bad || !w.damaged() || w.torn || (w.replay > 0) != c.replayed || w.replay > 20 {
			t.Errorf("%s: %d of %d commits, %d bad, %d replayed, torn %v", name, w.commits, n, w.bad(), w.replay, w.torn)
		}
	}
	if w := scan(t, log[:at(n, 0)-walFrameSize], mark); w.commits != n || w.bad() != 1 || !w.damaged() {
		t.Errorf("a log cut off at a frame: %d of %d commits, %d bad", w.commits, n, w.bad())
	}
	last := slices.Clone(log[:at(n, 0)])
	last[len(last)-1] ^= 1
	if w := scan(t, last, walMark{}); w.damaged() || !w.torn {
		t.Errorf("a bad last frame: damaged %v, torn %v; a power cut leaves the same", w.damaged(), w.torn)
	}
	if w := scan(t, last, mark); !w.damaged() || w.bad() != 1 {
		t.Errorf("a bad last frame that is known to be committed: %d bad", w.bad())
	}
}

// What is left of the generation before, behind the frames in force, is not taken for damage.
func TestFramesOfAnEarlierGenerationAreNoDamage(t *testing.T) {
	m := open(t, split)
	still(t, m)
	for i := range 30 {
		submit(t, m, testReport(fmt.Sprint("a", i), 3))
	}
	alter(t, m.db.Path, "PRAGMA wal_checkpoint(RESTART)")
	submit(t, m, testReport("next", 3))
	f, err := openFiles(m.db.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	st, err := f.wal.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if w := f.log; w.damaged() || w.torn || w.commits == 0 || int64(w.commits)*walFrameSize > st.Size()/2 {
		t.Errorf("%d commits of %d bytes, damaged %v, torn %v", w.commits, st.Size(), w.damaged(), w.torn)
	}
}

func FuzzWALScan(f *testing.F) {
	f.Add([]byte{}, 0)
	head := []byte{0x37, 0x7f, 6, 0x82, 0, 0x2d, 0xe2, 0x18, 0, 0, 2, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}
	var one walSum
	one = one.add(head, false)
	for _, n := range one {
		head = append(head, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	f.Add(append(head, make([]byte, 3*(512+walFrameHeader))...), 2)
	f.Fuzz(func(t *testing.T, log []byte, marked int) {
		w := scan(t, log, walMark{frames: marked})
		if len(w.frames)*(512+walFrameHeader) > len(log) || w.replay > len(w.frames) || w.bad() < 0 {
			t.Fatalf("%d frames of %d bytes, %d replayed", len(w.frames), len(log), w.replay)
		}
		for _, fr := range w.frames {
			if fr.at+w.pageSize > int64(len(log)) {
				t.Fatalf("a frame at %d of %d bytes", fr.at, len(log))
			}
		}
		readMark(log)
	})
}

package chunk

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"testing"
)

// The database may not grow: what is stored can still be uploaded and freed.
func TestFullDiskIsSaidAndEnds(t *testing.T) {
	m := open(t, Config{AutoCleanupOnUpload: true, CleanupOnReportComplete: true, MaxStorageMB: -1})
	submit(t, m, bulky("first", 1))
	pages := number(t, m, "PRAGMA page_count")
	execute(t, m, fmt.Sprintf("PRAGMA max_page_count = %d", pages+20))
	for i := range 3 {
		_, err := m.SubmitReport(t.Context(), bulky(fmt.Sprint("full", i), 1))
		if !isFull(err) || !errors.Is(err, ErrStorageFull) {
			t.Fatalf("SQLITE_FULL expected: %v", err)
		}
	}
	checkStore(t, m)
	if got := titles(t, drain(t, m)); len(got) != 4 {
		t.Fatalf("%d of 4 findings", len(got))
	}
	submit(t, m, bulky("after", 1)) // into the pages that are free again
	drain(t, m)
}

// The disk takes no byte more until the reserve is gone: what frees space goes on, what needs space
// is refused until the reserve can be held back again.
func TestReserveOfAFullDiskIsForWhatFreesSpace(t *testing.T) {
	m := open(t, split)
	still(t, m)
	submit(t, m, testReport("r", 2))
	r := &m.db.reserve
	if st, err := os.Stat(r.path); err != nil || st.Size() != reserveShare(m.cfg.maxBytes()) || r.spent {
		t.Fatalf("reserve at start: %v", err)
	}
	full := fullError(t)
	tries := 0
	err := m.db.do(t.Context(), 0, func(*tx) error {
		if tries++; !r.spent {
			return full
		}
		return nil
	})
	if err != nil || tries != 3 || !r.spent {
		t.Fatalf("a deletion on a full disk: %v after %d tries, spent %v", err, tries, r.spent)
	}
	if _, err := os.Stat(r.path); !os.IsNotExist(err) {
		t.Errorf("the spent reserve is still on disk: %v", err)
	}

	if err := os.Mkdir(r.path, 0o700); err != nil { // it cannot be restored
		t.Fatal(err)
	}
	if _, err := m.SubmitReport(t.Context(), testReport("refused", 2)); !errors.Is(err, ErrStorageFull) {
		t.Errorf("a report is taken while the reserve is spent: %v", err)
	}
	if parts := drain(t, m); len(parts) != 1 {
		t.Errorf("%d parts uploaded", len(parts))
	}
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	submit(t, m, testReport("taken", 2))
	if st, err := os.Stat(r.path); err != nil || st.Size() != r.size {
		t.Errorf("the reserve is not restored: %v", err)
	}
	drain(t, m)

	err = m.db.do(t.Context(), 1, func(*tx) error { return full })
	if !isFull(err) || r.spent {
		t.Errorf("what needs space got the reserve: %v", err)
	}
}

// fullError returns the error of a database that may not grow.
func fullError(t *testing.T) error {
	t.Helper()
	d, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.SetMaxOpenConns(1)
	_, err = d.Exec("CREATE TABLE t (b); PRAGMA max_page_count = 2; INSERT INTO t VALUES (zeroblob(100000))")
	if !isFull(err) {
		t.Fatal(err)
	}
	return err
}

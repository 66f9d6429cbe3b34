package chunk

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/rediverio/sdk/internal/sqlitedb"
)

// The database may not grow: stored reports can still be uploaded and removed.
func TestFullDiskIsReportedAndRecoveredFrom(t *testing.T) {
	m := open(t, Config{AutoCleanupOnUpload: true, CleanupOnReportComplete: true, MaxStorageMB: -1})
	submit(t, m, bulky("first", 1))
	pages := number(t, m, "PRAGMA page_count")
	execute(t, m, fmt.Sprintf("PRAGMA max_page_count = %d", pages+20))
	for i := range 3 {
		_, err := m.SubmitReport(t.Context(), bulky(fmt.Sprint("full", i), 1))
		if !sqlitedb.IsFull(err) || !errors.Is(err, ErrStorageFull) {
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

// After SQLITE_FULL the reserve is released for changes that free space. Changes that need space are refused until it can
// be restored.
func TestReserveOfAFullDiskIsForChangesThatFreeSpace(t *testing.T) {
	m := open(t, split)
	still(t, m)
	submit(t, m, testReport("r", 2))
	path, size := m.db.Path+".reserve", reserveShare(m.cfg.maxBytes())
	held := func() bool {
		st, err := os.Stat(path)
		return err == nil && st.Mode().IsRegular() && st.Size() == size
	}
	if !held() {
		t.Fatal("no reserve is held at the start")
	}
	full := fullError(t)
	tries := 0
	err := m.change(t.Context(), 0, func(*tx) error {
		if tries++; held() {
			return full
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Fatalf("change(weight 0) on a full disk = %v after %d tries, want nil after 3", err, tries)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("stat of the released reserve = %v, want that it does not exist", err)
	}

	if err := os.Mkdir(path, 0o700); err != nil { // it cannot be restored
		t.Fatal(err)
	}
	if _, err := m.SubmitReport(t.Context(), testReport("refused", 2)); !errors.Is(err, ErrStorageFull) {
		t.Errorf("SubmitReport while the reserve is released = %v, want ErrStorageFull", err)
	}
	if parts := drain(t, m); len(parts) != 1 {
		t.Errorf("%d parts uploaded, want 1", len(parts))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	submit(t, m, testReport("taken", 2))
	if !held() {
		t.Error("the reserve is not restored")
	}
	drain(t, m)

	err = m.change(t.Context(), 1, func(*tx) error { return full })
	if !sqlitedb.IsFull(err) || !held() {
		t.Errorf("change(weight 1) on a full disk = %v, reserve held %v; want SQLITE_FULL, true", err, held())
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
	if !sqlitedb.IsFull(err) {
		t.Fatal(err)
	}
	return err
}

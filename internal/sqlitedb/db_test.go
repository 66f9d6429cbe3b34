package sqlitedb_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/filelock"
	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/internal/testkit"
)

var migrations = []string{"CREATE TABLE t (n INTEGER PRIMARY KEY)"}

func open(t *testing.T, cfg sqlitedb.Config) *sqlitedb.DB {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "dir", "test.db")
	}
	if cfg.Migrations == nil {
		cfg.Migrations = migrations
	}
	d, err := sqlitedb.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { testkit.Check(t, d.Close()) })
	return d
}

func insert(n int) sqlitedb.Change {
	return sqlitedb.Change{Weight: 1, Apply: func(t *sqlitedb.Tx) error { _, err := t.Exec("INSERT INTO t VALUES (?)", n); return err }}
}

func count(t *testing.T, d *sqlitedb.DB) (n int) {
	t.Helper()
	testkit.Check(t, d.Row(t.Context(), "SELECT count(*) FROM t", nil, &n))
	return n
}

// block holds the transaction open until the returned function is called, so that changes gather behind it.
func block(t *testing.T, d *sqlitedb.DB) (release func()) {
	t.Helper()
	busy, hold := make(chan struct{}), make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		err := d.Do(context.Background(), sqlitedb.Change{Apply: func(*sqlitedb.Tx) error { close(busy); <-hold; return nil }})
		if err != nil {
			t.Errorf("Do = %v, want nil", err)
		}
	})
	<-busy
	return func() { close(hold); done.Wait() }
}

func TestFailedChangesOfAGroupAreUndoneAlone(t *testing.T) {
	for name, fail := range map[string]func(*sqlitedb.Tx) error{
		"before it writes": func(*sqlitedb.Tx) error { return errors.New("refused") },
		"after it wrote": func(tx *sqlitedb.Tx) error {
			_, err := tx.Exec("INSERT INTO t VALUES (100)")
			return errors.Join(err, errors.New("refused"))
		},
		"and rolls back the transaction": func(tx *sqlitedb.Tx) error {
			_, err := tx.Exec("ROLLBACK")
			return errors.Join(err, errors.New("refused"))
		},
		"by a panic": func(tx *sqlitedb.Tx) error {
			_, _ = tx.Exec("INSERT INTO t VALUES (100)")
			panic("a fault of the caller")
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, sqlitedb.Config{})
			release := block(t, d)
			var all sync.WaitGroup
			for n := range 8 {
				all.Go(func() {
					if err := d.Do(context.Background(), insert(n)); err != nil {
						t.Errorf("Do(insert %d) = %v, want nil", n, err)
					}
				})
			}
			all.Go(func() {
				defer func() {
					if r := recover(); (r != nil) != (name == "by a panic") {
						t.Errorf("recover() = %v in the goroutine of the change that fails %s", r, name)
					}
				}()
				if err := d.Do(context.Background(), sqlitedb.Change{Apply: fail}); err == nil {
					t.Error("Do of a change that fails = nil")
				}
			})
			testkit.Eventually(t, "9 changes wait", func() bool { return d.Waiting() == 9 })
			release()
			all.Wait()
			if n := count(t, d); n != 8 {
				t.Errorf("%d rows, want 8", n)
			}
		})
	}
}

func TestBeforeCommitIsPartOfEveryTransaction(t *testing.T) {
	var n, committed int
	d := open(t, sqlitedb.Config{BeforeCommit: func(tx *sqlitedb.Tx) error {
		tx.AfterCommit(func() { committed++ })
		n++
		_, err := tx.Exec("INSERT INTO t VALUES (?)", 100+n)
		return err
	}})
	testkit.Check(t, d.Do(t.Context(), insert(1)))
	if err := d.Do(t.Context(), insert(102)); err == nil { // takes the row that BeforeCommit wants
		t.Error("Do = nil after BeforeCommit has failed")
	}
	if rows := count(t, d); rows != 2 || committed != 1 {
		t.Errorf("%d rows, %d AfterCommit calls; want 2, 1", rows, committed)
	}
}

func TestQueuesTakeTurns(t *testing.T) {
	d := open(t, sqlitedb.Config{GroupChanges: 2})
	release := block(t, d)
	var mu sync.Mutex
	var order []string
	var all sync.WaitGroup
	add := func(queue string, n int) {
		c := insert(n)
		c.Turn = queue
		all.Go(func() {
			err := d.Do(context.Background(), c)
			mu.Lock()
			defer mu.Unlock()
			order = append(order, queue)
			if err != nil {
				t.Errorf("Do(insert %d) = %v, want nil", n, err)
			}
		})
	}
	for n := range 20 {
		add("many", n)
	}
	testkit.Eventually(t, "20 changes wait", func() bool { return d.Waiting() == 20 })
	add("one", 100)
	testkit.Eventually(t, "21 changes wait", func() bool { return d.Waiting() == 21 })
	release()
	all.Wait()
	if at := slices.Index(order, "one"); at > 6 { // the results of a group arrive in any order
		t.Errorf("the change of the other queue was made after %d changes, want it in the first transaction", at)
	}
}

func TestChangesAreRefusedAfterCloseAndReadOnly(t *testing.T) {
	d := open(t, sqlitedb.Config{})
	testkit.Check(t, d.Do(t.Context(), insert(1)))
	reader := open(t, sqlitedb.Config{Path: d.Path, ReadOnly: true})
	if n := count(t, reader); n != 1 {
		t.Errorf("read-only: %d rows, want 1", n)
	}
	if err := reader.Do(t.Context(), insert(2)); !errors.Is(err, sqlitedb.ErrReadOnly) {
		t.Errorf("Do of a read-only database = %v, want ErrReadOnly", err)
	}
	ran := false
	if err := reader.Consistent(func() error { ran = true; return nil }); err != nil || !ran || reader.Waiting() != 0 {
		t.Errorf("Consistent of a read-only database = %v (ran: %v), Waiting = %d, want nil, true, 0", err, ran, reader.Waiting())
	}
	if _, err := sqlitedb.Open(sqlitedb.Config{Path: d.Path, Migrations: migrations}); !errors.As(err, new(*filelock.HeldError)) {
		t.Errorf("second Open = %v, want a HeldError", err)
	}
	testkit.Check(t, d.Close())
	testkit.Check(t, d.Close())
	if err := d.Do(t.Context(), insert(2)); !errors.Is(err, sqlitedb.ErrClosed) || !d.Closed() {
		t.Errorf("Do after Close = %v, want ErrClosed", err)
	}
	if _, err := sqlitedb.Open(sqlitedb.Config{Path: d.Path + "x", Migrations: migrations, ReadOnly: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("read-only Open of a missing file = %v, want os.ErrNotExist", err)
	}
}

func TestOpenRefusesDamageAndNewerSchemas(t *testing.T) {
	d := open(t, sqlitedb.Config{})
	testkit.Check(t, d.Do(t.Context(), insert(1)))
	testkit.Check(t, d.Close())
	if _, err := sqlitedb.Open(sqlitedb.Config{Path: d.Path}); !errors.As(err, new(*sqlitedb.SchemaError)) {
		t.Errorf("Open of a newer schema = %v, want a SchemaError", err)
	}
	b := testkit.Must(os.ReadFile(d.Path))
	copy(b[sqlitedb.PageSize:], "no page of a table")
	testkit.Check(t, os.WriteFile(d.Path, b, 0o600))
	_, err := sqlitedb.Open(sqlitedb.Config{Path: d.Path, Migrations: migrations, CheckTime: time.Minute})
	if !sqlitedb.IsCorrupt(err) {
		t.Errorf("Open of a damaged file = %v, want IsCorrupt", err)
	}
	testkit.Check(t, sqlitedb.Rename(d.Path, d.Path+".corrupt"))
	open(t, sqlitedb.Config{Path: d.Path})
}

// The write-ahead log is checkpointed although SQLite's automatic checkpoint is off, and a failure is reported.
func TestTheLogIsCheckpointed(t *testing.T) {
	const maxWAL = 1 << 20
	d := open(t, sqlitedb.Config{MaxWAL: maxWAL, Migrations: []string{"CREATE TABLE b (data BLOB)"}})
	for range 64 {
		testkit.Check(t, d.Do(t.Context(), sqlitedb.Change{Weight: 128 << 10, Apply: func(tx *sqlitedb.Tx) error {
			_, err := tx.Exec("INSERT INTO b VALUES (zeroblob(131072))")
			return err
		}}))
		if st := testkit.Must(os.Stat(d.Path + "-wal")); st.Size() > maxWAL+256<<10 {
			t.Fatalf("the log has %d bytes, want at most %d", st.Size(), maxWAL)
		}
	}
	testkit.Check(t, d.Checkpoint())
	if st := testkit.Must(os.Stat(d.Path + "-wal")); st.Size() != 0 {
		t.Errorf("the log has %d bytes after Checkpoint, want 0", st.Size())
	}
}

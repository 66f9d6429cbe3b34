package chunk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite" // also the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/rediverio/sdk/internal/filelock"
	"github.com/rediverio/sdk/pkg/event"
)

// checkTime bounds the check of the database at start. What is damaged behind the place it came to is found when it is
// read.
var checkTime = 5 * time.Second

// repair looks at the files at path, and changes nothing where they are sound. Where they are damaged, or known to be
// because of cause, it puts a new database in their place and says what became of the reports.
func repair(path string, c Config, keys *keyring, cause error) error {
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil // a new store, or one that openDB has a reason to refuse
	}
	if err := refuseLinks(path); err != nil {
		return err
	}
	lock, err := filelock.Acquire(path + ".lock")
	if err != nil {
		return fmt.Errorf("chunk store %s: %w", path, err)
	}
	defer func() { _ = lock.Release() }() // closing what nothing is written to
	if err := finishReplacing(path, c.Sink); err != nil {
		return err
	}
	f, err := openFiles(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.close()
	if cause == nil {
		cause = examine(f, path, c.Sink)
	}
	if cause == nil {
		return nil
	}
	return replace(path, f, c, keys, cause)
}

// examine returns what is wrong with the files. A check that takes too long is given up: an agent must start.
func examine(f *storeFiles, path string, sink event.Sink) (damage error) {
	if f.size == 0 && f.log.commits == 0 {
		return nil // new
	}
	if _, err := os.Stat(path + "-journal"); err == nil {
		return nil // SQLite was making the file, and will undo that
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkTime)
	defer cancel()
	version := 0
	m := imageOf(f, f.log.committed())
	damage = m.open(ctx, func(d *sql.DB) error {
		if err := d.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil || version > len(migrations) {
			return err
		}
		return check(ctx, d)
	})
	switch {
	case version > len(migrations):
		return nil // is refused, and left as it is
	case f.log.damaged():
		return &corruptError{fmt.Sprintf("%d committed frames of the write-ahead log are damaged", f.log.bad())}
	case f.size == 0:
		return &corruptError{"the file is empty and its write-ahead log is not"}
	case damage != nil && ctx.Err() != nil:
		sink.Record(event.Event{Type: event.AgentError, Severity: event.Warn, Message: "the check of the chunk store took too long and was given up",
			Details: map[string]any{"path": path, "bytes": m.size, "seconds": checkTime.Seconds()}})
		return nil
	}
	if damage == nil && f.log.torn {
		sink.Record(event.Event{Type: event.AgentError, Severity: event.Warn,
			Message: "the write-ahead log of the chunk store has a torn end, as a power cut or a kill in the middle of a commit leaves it", Details: map[string]any{"path": path}})
	}
	return damage
}

// check finds a file that is no database, or a damaged one, before anything relies on it.
func check(ctx context.Context, d *sql.DB) error {
	var verdict string
	if err := d.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return &corruptError{verdict}
	}
	return nil
}

type corruptError struct{ verdict string }

func (e *corruptError) Error() string { return "database is damaged: " + e.verdict }

// isCorrupt says whether err means that the file is damaged or no database, so that it must be replaced.
func isCorrupt(err error) bool {
	var c *corruptError
	if errors.As(err, &c) {
		return true
	}
	var s *sqlite.Error
	if errors.As(err, &s) {
		code := s.Code() & 0xff
		return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
	}
	return false
}

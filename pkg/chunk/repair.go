package chunk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	// also the driver "sqlite"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/event"
)

// checkTime bounds the check of the database at start. What is damaged behind the place it came to is found when it is
// read.
var checkTime = 5 * time.Second

// repair, called with the lock held, looks at the files at path, and changes nothing where they are sound. Where they are damaged, or known to be
// because of cause, it puts a new database in their place and says what became of the reports.
func repair(path string, c Config, keys *keyring, cause error) error {
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
		return sqlitedb.Check(ctx, d)
	})
	switch {
	case version > len(migrations):
		return nil // is refused, and left as it is
	case f.log.damaged():
		return &sqlitedb.CorruptError{Verdict: fmt.Sprintf("%d committed frames of the write-ahead log are damaged", f.log.bad())}
	case f.size == 0:
		return &sqlitedb.CorruptError{Verdict: "the file is empty and its write-ahead log is not"}
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

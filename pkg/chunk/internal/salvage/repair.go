// Package salvage checks the database of a chunk store before it is opened, and replaces a damaged one by a new one with
// everything that can be read.
package salvage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
	"github.com/rediverio/sdk/pkg/chunk/internal/walimage"
	"github.com/rediverio/sdk/pkg/event"
)

// CheckTime bounds the check of the database at the start. Damage that it does not reach is found when it is read.
var CheckTime = 5 * time.Second

// Store is a chunk store that is not open, and locked by the caller.
type Store struct {
	Path    string
	Reserve sqlitedb.Reserve // released when the disk is too full for a salvage
	Keys    Keys
	Sink    event.Sink
}

// Keys decrypts the data of parts.
type Keys interface {
	Has(keyID string) bool
	Open(stored []byte, keyID, tenant, reportID string, index int) ([]byte, error)
}

// Repair checks the files of the store and changes nothing if they are intact. If they are damaged, or cause is not nil, it
// puts a new database in their place and records an event that states what was salvaged and what was lost.
func (s *Store) Repair(cause error) error {
	if err := s.finishReplacing(); err != nil {
		return err
	}
	f, err := walimage.Open(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if cause == nil {
		cause = s.Examine(f)
	}
	if cause == nil {
		return nil
	}
	return s.replace(f, cause)
}

// Examine returns an error that describes the damage of the files, or nil. It ends a check that takes longer than CheckTime
// without a result: an agent must start.
func (s *Store) Examine(f *walimage.Files) (damage error) {
	if f.Size == 0 && f.Log.Commits == 0 {
		return nil // new
	}
	if _, err := os.Stat(s.Path + "-journal"); err == nil {
		return nil // SQLite was creating the file and will roll that back
	}
	ctx, cancel := context.WithTimeout(context.Background(), CheckTime)
	defer cancel()
	version := 0
	m := f.Image(f.Log.Committed())
	damage = m.Open(ctx, func(d *sql.DB) error {
		if err := d.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil || version > len(schema.Migrations) {
			return err
		}
		return sqlitedb.Check(ctx, d)
	})
	switch {
	case version > len(schema.Migrations):
		return nil // it is refused, and not changed, when it is opened
	case f.Log.Damaged():
		return &sqlitedb.CorruptError{Verdict: fmt.Sprintf("%d committed frames of the write-ahead log are damaged", f.Log.Bad())}
	case f.Size == 0:
		return &sqlitedb.CorruptError{Verdict: "the file is empty and its write-ahead log is not"}
	case damage != nil && ctx.Err() != nil:
		s.warn("the check of the chunk store took too long and was ended", map[string]any{"bytes": m.Size(), "seconds": CheckTime.Seconds()})
		return nil
	}
	if damage == nil && f.Log.Torn {
		s.warn("the write-ahead log of the chunk store has a torn end, as a power cut or a kill during a commit leaves it", map[string]any{})
	}
	return damage
}

func (s *Store) warn(message string, details map[string]any) {
	details["path"] = s.Path
	s.Sink.Record(event.Event{Type: event.AgentError, Severity: event.Warn, Message: message, Details: details})
}

package sqlitedb

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// wal bounds the write-ahead log. A reader that uses the log keeps it from being truncated, and it grows.
type wal struct {
	path    string
	limit   int64 // bytes past which the log is truncated
	next    int64 // bytes at which truncation is tried next: more than limit while a reader prevents it
	written int64 // bytes written since the last checkpoint, estimated
}

// DefaultMaxWAL is the default of Config.MaxWAL in bytes.
const DefaultMaxWAL = 16 << 20

const (
	checkpointWait = 20 // milliseconds: every change waits while a checkpoint waits for readers

	// checkpointBytes is how much is written between two checkpoints: SQLite's own default of 1000 pages. changeBytes is
	// what a change writes beyond its weight.
	checkpointBytes = 1000 * PageSize
	changeBytes     = 4 * PageSize
)

func newWAL(cfg Config) wal {
	return wal{path: cfg.Path + "-wal", limit: cfg.MaxWAL, next: cfg.MaxWAL}
}

// Checkpoint copies the write-ahead log into the database and truncates it. If a reader prevents that, the next
// checkpoint completes it.
func (d *DB) Checkpoint() error {
	return d.send(&pending{truncate: true, Change: Change{Apply: func(*Tx) error { return nil }}})
}

// checkpoint truncates the log if it has outgrown its limit, for example after a large transaction, or if truncate is set;
// otherwise it checkpoints when enough was written, and leaves the file to be reused. It runs between two transactions.
func (w *writer) checkpoint(truncate bool) error {
	size := int64(0)
	if !truncate {
		st, err := os.Stat(w.wal.path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if size = st.Size(); size <= w.wal.next {
			if w.wal.written < min(checkpointBytes, w.wal.limit/2) {
				return nil
			}
			_, err := w.runCheckpoint("PASSIVE")
			return err
		}
	}
	busy, err := w.runCheckpoint("TRUNCATE")
	switch {
	case err != nil || truncate:
	case busy:
		w.wal.next = size + w.wal.limit/4
		if w.cfg.OnBusyWAL != nil {
			w.cfg.OnBusyWAL(size, w.wal.limit)
		}
	default:
		w.wal.next = w.wal.limit
	}
	return err
}

// makeRoomInWAL truncates the log before a group that would take it past its limit. A failure is not final: the
// checkpoint after the group tries again.
func (w *writer) makeRoomInWAL(weight int) {
	if weight == 0 {
		return
	}
	st, err := os.Stat(w.wal.path)
	if err == nil && st.Size() > 0 && st.Size()+int64(weight) > w.wal.next {
		_, err := w.runCheckpoint("TRUNCATE")
		w.report("checkpoint", err)
	}
}

// runCheckpoint reports whether readers prevented the checkpoint from being complete.
func (w *writer) runCheckpoint(mode string) (busy bool, err error) {
	w.wal.written = 0
	ctx := context.Background()
	if _, err := w.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", checkpointWait)); err != nil {
		return false, err
	}
	var frames, done int
	err = w.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &frames, &done)
	_, err2 := w.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busyTimeout))
	return busy, errors.Join(err, err2)
}

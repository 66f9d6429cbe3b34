package chunk

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// wal bounds the write-ahead log. SQLite folds it into the database by itself, but not while a reader uses it, and then
// it grows without end.
type wal struct {
	path  string
	limit int64 // bytes past which it is folded in and truncated
	next  int64 // bytes at which to try next: more than limit while a reader prevents it
}

// maxWAL bounds the WAL of a store without a limit, and of a large one.
const maxWAL = 16 << 20

// walShare is the part of the storage limit that the WAL may take; 0 is no limit.
func walShare(limit int64) int64 {
	if limit == 0 {
		return maxWAL
	}
	return min(maxWAL, limit/4)
}

func newWAL(database string, limit int64) wal {
	n := walShare(limit)
	return wal{path: database + "-wal", limit: n, next: n}
}

// checkpoint folds the WAL into the database and truncates it, between two transactions. A reader that is
// busy makes it a partial one, which the next completes.
func (d *db) checkpoint() error {
	ch := &change{truncate: true, apply: func(*tx) error { return nil }, err: make(chan error, 1)}
	return d.send(ch)
}

// truncateWAL runs in the committer's goroutine, outside a transaction. It waits for readers a moment only, since
// everybody else waits for it.
func (c *committer) truncateWAL() (busy bool, err error) {
	ctx := context.Background()
	if _, err := c.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", checkpointWait)); err != nil {
		return false, err
	}
	var frames, done int
	err = c.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &done)
	_, err2 := c.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busyTimeout))
	return busy, errors.Join(err, err2)
}

const (
	checkpointWait = 20   // milliseconds
	busyTimeout    = 5000 // milliseconds: another program, e.g. a backup, may hold the database
)

// boundWAL folds the WAL in when it has outgrown its limit, e.g. after one large transaction. Where a reader prevents
// that it says so, and tries again when the WAL has grown by a quarter of the limit more.
func (c *committer) boundWAL(force bool) error {
	size := int64(0)
	if !force {
		st, err := os.Stat(c.wal.path)
		if errors.Is(err, os.ErrNotExist) || err == nil && st.Size() <= c.wal.next {
			return nil
		}
		if err != nil {
			return err
		}
		size = st.Size()
	}
	busy, err := c.truncateWAL()
	switch {
	case err != nil || force:
	case busy:
		c.wal.next = size + c.wal.limit/4
		if c.starved != nil {
			c.starved(size, c.wal.limit)
		}
	default:
		c.wal.next = c.wal.limit
	}
	return err
}

// roomInWAL folds the WAL in before a group that would take it past its limit. What fails is tried again after it.
func (c *committer) roomInWAL(bytes int) {
	if bytes == 0 {
		return
	}
	st, err := os.Stat(c.wal.path)
	if err == nil && st.Size() > 0 && st.Size()+int64(bytes) > c.wal.next {
		_, _ = c.truncateWAL()
	}
}

package chunk

import (
	"context"
	"errors"
	"os"
)

// checkpoint folds the WAL into the database and truncates it, between two transactions. A reader that is
// busy makes it a partial one, which the next completes.
func (d *db) checkpoint() error {
	ch := &change{truncate: true, apply: func(*tx) error { return nil }, err: make(chan error, 1)}
	return d.send(ch)
}

// truncateWAL runs in the committer's goroutine, outside a transaction.
func (c *committer) truncateWAL() error {
	var busy, frames, done int
	return c.conn.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &done)
}

// boundWAL folds the WAL in when it has outgrown its limit, e.g. after one large transaction.
func (c *committer) boundWAL(force bool) error {
	if !force {
		if c.walLimit == 0 {
			return nil
		}
		st, err := os.Stat(c.wal)
		if errors.Is(err, os.ErrNotExist) || err == nil && st.Size() <= c.walLimit {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return c.truncateWAL()
}

package chunk

import (
	"context"
	"fmt"
	"time"

	"github.com/rediverio/sdk/internal/sqlitedb"
)

const (
	vacuumPages = 256 // returned in one transaction, which bounds the time that a submit waits for it
	keepFree    = 64  // fewer free pages are not worth returning

	// shrinkDelay is the time for which free pages are kept for reports that are stored next.
	shrinkDelay = 500 * time.Millisecond
)

// shrink returns free pages to the file system, in slices between which other changes run.
func (m *Manager) shrink() {
	for any := false; ; any = true {
		pages, err := m.vacuum()
		if err != nil {
			m.cleanupFailed(bySize, "free pages could not be returned to the file system", err)
			return
		}
		select {
		case <-m.stop:
			pages = 0
		default:
		}
		if pages > 0 {
			continue
		}
		if any { // the file shrinks only when the log is checkpointed
			if err := m.db.Checkpoint(); err != nil {
				m.cleanupFailed(bySize, "the write-ahead log could not be checkpointed", err)
			}
		}
		return
	}
}

// vacuum returns one slice of free pages to the file system, and how many pages. It begins no transaction if there are few.
func (m *Manager) vacuum() (pages int64, err error) {
	var before, after int64
	if err := m.db.Read.QueryRow("PRAGMA freelist_count").Scan(&before); err != nil || before <= keepFree {
		return 0, err
	}
	err = m.change(context.Background(), 0, func(t *tx) error {
		if err := t.Row("PRAGMA freelist_count", nil, &before); err != nil {
			return err
		}
		if _, err := t.Exec(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages)); err != nil {
			return err
		}
		return t.Row("PRAGMA freelist_count", nil, &after)
	})
	if err != nil {
		return 0, err
	}
	m.mu.Lock()
	m.reclaimed += (before - after) * sqlitedb.PageSize
	m.mu.Unlock()
	return before - after, nil
}

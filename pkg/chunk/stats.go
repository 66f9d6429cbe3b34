package chunk

import (
	"context"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/part"
)

// Stats is the state of the store.
type Stats struct {
	part.Counts
	Dead       int64 `json:"dead_letters"`    // dead parts of all reports
	Finished   int64 `json:"finished"`        // finished reports in their retention
	Duplicates int64 `json:"duplicates"`      // reports submitted again with the same content
	FileBytes  int64 `json:"file_bytes"`      // database, write-ahead log and reserve on disk
	UsedBytes  int64 `json:"used_bytes"`      // pages that hold data
	FreeBytes  int64 `json:"free_bytes"`      // pages to be reused or returned to the file system
	Reclaimed  int64 `json:"reclaimed_bytes"` // returned to the file system since the store was opened
	MaxBytes   int64 `json:"max_bytes"`       // MaxStorageMB; 0: no limit
	RoomBytes  int64 `json:"room_bytes"`      // limit of UsedBytes: MaxBytes without the write-ahead log and the reserve; 0: no limit

	// Removable is the data of completed reports, a part of UsedBytes, that is removed when a new report needs the space. It
	// is zero without AggressiveCleanup, and while UsedBytes is at most half of RoomBytes.
	Removable int64 `json:"removable_bytes"`
}

// Full returns the percentage of RoomBytes that is taken by data which is not removed for a new report; 0 without a limit.
// Near 100, reports are refused with a *StorageFullError.
func (s Stats) Full() float64 {
	if s.RoomBytes <= 0 {
		return 0
	}
	return 100 * float64(max(s.UsedBytes-s.Removable, 0)) / float64(s.RoomBytes)
}

// Stats returns the state of the store, all tenants together.
func (m *Manager) Stats(ctx context.Context) (Stats, error) {
	if m.db.Closed() {
		return Stats{}, ErrClosed
	}
	s := Stats{Counts: m.Counts(), FileBytes: m.db.FileBytes(), MaxBytes: m.cfg.maxBytes()}
	m.mu.Lock()
	s.Duplicates, s.Reclaimed = m.duplicates, m.reclaimed
	m.mu.Unlock()
	var pages, free int64
	for _, q := range []struct {
		sql  string
		into *int64
	}{
		{"SELECT count(*) FROM parts WHERE state = 3", &s.Dead},
		{"SELECT count(*) FROM reports WHERE state IN (2, 3)", &s.Finished},
		{"PRAGMA page_count", &pages},
		{"PRAGMA freelist_count", &free},
	} {
		if err := m.db.Read.QueryRowContext(ctx, q.sql).Scan(q.into); err != nil {
			return s, err
		}
	}
	s.FreeBytes = free * sqlitedb.PageSize
	s.UsedBytes = (pages - free) * sqlitedb.PageSize
	if s.MaxBytes > 0 {
		s.RoomBytes = dataShare(s.MaxBytes)
	}
	if m.cfg.AggressiveCleanup && s.UsedBytes > s.RoomBytes/2 { // the query reads all parts, and below that its result does not matter
		const query = `SELECT coalesce(sum(size), 0) FROM reports r JOIN parts p USING (rid)
			WHERE r.state = 2 AND EXISTS (SELECT 1 FROM blobs b WHERE b.pid = p.pid)`
		if err := m.db.Read.QueryRowContext(ctx, query).Scan(&s.Removable); err != nil {
			return s, err
		}
	}
	return s, nil
}

package chunk

import (
	"context"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/part"
)

// Stats is the state of the store.
type Stats struct {
	part.Counts
	Dead       int64 `json:"dead_letters"`    // parts, of all reports
	Finished   int64 `json:"finished"`        // reports kept for their retention
	Duplicates int64 `json:"duplicates"`      // reports submitted again with the same content
	FileBytes  int64 `json:"file_bytes"`      // database, WAL and reserve on disk
	UsedBytes  int64 `json:"used_bytes"`      // of it, pages that hold data
	FreeBytes  int64 `json:"free_bytes"`      // of it, pages to be reused or given back
	Reclaimed  int64 `json:"reclaimed_bytes"` // given back to the filesystem since the store was opened
	MaxBytes   int64 `json:"max_bytes"`       // MaxStorageMB; 0: unlimited
	RoomBytes  int64 `json:"room_bytes"`      // of that, what UsedBytes can come to: the WAL and the reserve take the rest; 0: unlimited

	// Removable is of UsedBytes the data of completed reports, which goes when a new report needs the room. Zero without
	// AggressiveCleanup, and while UsedBytes is no more than half of RoomBytes.
	Removable int64 `json:"removable_bytes"`
}

// Full is the percentage of the room that is taken by what no new report can take the place of; 0 without a limit. Near
// 100 reports are refused with a *StorageFullError.
func (s Stats) Full() float64 {
	if s.RoomBytes <= 0 {
		return 0
	}
	return 100 * float64(max(s.UsedBytes-s.Removable, 0)) / float64(s.RoomBytes)
}

// GetStats returns the state of the store, all tenants together.
func (m *Manager) GetStats(ctx context.Context) (Stats, error) {
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
	if m.cfg.AggressiveCleanup && s.UsedBytes > s.RoomBytes/2 { // else it does not matter, and is not worth a look at all parts
		const query = `SELECT coalesce(sum(size), 0) FROM reports r JOIN parts p USING (rid)
			WHERE r.state = 2 AND EXISTS (SELECT 1 FROM blobs b WHERE b.pid = p.pid)`
		if err := m.db.Read.QueryRowContext(ctx, query).Scan(&s.Removable); err != nil {
			return s, err
		}
	}
	return s, nil
}

package chunk

import (
	"context"
	"errors"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
)

// makeRoom sees to it that need bytes more fit under MaxStorageMB: it removes finished reports, oldest first, then
// unsent ones where DropUnsent says so, and returns a *StorageFullError when that is not enough.
func (m *Manager) makeRoom(t *tx, need int64) error {
	limit := m.cfg.maxBytes()
	if limit == 0 {
		return nil
	}
	budget := dataShare(limit)
	if t.group.used == 0 {
		used, err := inUse(t)
		if err != nil {
			return err
		}
		t.group.used = used
	}
	if t.group.used+need > budget && m.cfg.AggressiveCleanup {
		_, used, err := m.evict(t, budget-need, m.cfg.DropUnsent, nil, bySize)
		if err != nil {
			return err
		}
		t.group.used = used
	}
	if need > 0 && t.group.used+need > budget {
		return &StorageFullError{Used: t.group.used, Needed: need, Max: limit}
	}
	t.group.used += need
	return nil
}

// dataShare is the part of the storage limit that the pages in use may take.
func dataShare(limit int64) int64 { return limit - walShare(limit) - reserveShare(limit) }

// walShare is the part of the storage limit that the write-ahead log may take. Zero means no limit.
func walShare(limit int64) int64 {
	if limit == 0 {
		return sqlitedb.DefaultMaxWAL
	}
	return min(sqlitedb.DefaultMaxWAL, limit/4)
}

// reserveBytes is enough for the write-ahead log of many deletions and one checkpoint of it.
const reserveBytes = 8 << 20

// reserveShare is the part of the storage limit that the reserve takes. Zero means no limit.
func reserveShare(limit int64) int64 {
	if limit == 0 {
		return reserveBytes
	}
	return min(reserveBytes, limit/8)
}

// evictCompleted removes completed reports, oldest first, until need bytes more fit under MaxStorageMB, and returns how
// many. It does so in batches that stay removed when the report they make room for is refused after all: else each
// report that is refused would have all of them removed in vain again.
func (m *Manager) evictCompleted(ctx context.Context, need int64) (removed int64, err error) {
	target := dataShare(m.cfg.maxBytes()) - need
	if !m.cfg.AggressiveCleanup || target < 0 {
		return 0, nil
	}
	return m.evictTo(ctx, target, nil, bySize)
}

// evictTo removes completed reports, as evict does, in batches between which others have their turn.
func (m *Manager) evictTo(ctx context.Context, target int64, tenant *string, reason string) (removed int64, err error) {
	for batch := int64(sweepBatch); batch == sweepBatch && err == nil; removed += batch {
		err = m.change(ctx, 0, func(t *tx) (err error) {
			batch, _, err = m.evict(t, target, false, tenant, reason)
			return err
		})
		if err != nil {
			batch = 0
		}
	}
	return removed, err
}

// inUse returns the bytes of the pages that hold data.
func inUse(t *tx) (int64, error) {
	var pages, free int64
	if err := t.Row("PRAGMA page_count", nil, &pages); err != nil {
		return 0, err
	}
	if err := t.Row("PRAGMA freelist_count", nil, &free); err != nil {
		return 0, err
	}
	return (pages - free) * sqlitedb.PageSize, nil
}

// evict removes reports, oldest first, until at most target bytes are in use: at most sweepBatch completed ones, and when
// unsent is set and none of these is left also failed and pending ones. tenant limits it to one tenant; nil is all.
func (m *Manager) evict(t *tx, target int64, unsent bool, tenant *string, reason string) (removed int64, used int64, err error) {
	states := []int{schema.ReportCompleted}
	if unsent {
		states = append(states, schema.ReportFailed, schema.ReportPending)
	}
	if used, err = inUse(t); err != nil {
		return 0, used, err
	}
	for _, state := range states {
		for used > target {
			if state == schema.ReportCompleted && removed == sweepBatch {
				return removed, used, nil
			}
			var rid int64
			err := t.Row("SELECT rid FROM reports WHERE state = ?1 AND (?2 IS NULL OR tenant = ?2) ORDER BY finished, rid LIMIT 1",
				[]any{state, tenant}, &rid)
			if isNoRows(err) {
				break
			}
			if err != nil {
				return removed, used, err
			}
			if err := m.remove(t, rid, state, reason); err != nil {
				return removed, used, err
			}
			removed++
			if used, err = inUse(t); err != nil {
				return removed, used, err
			}
		}
	}
	return removed, used, nil
}

// commit makes a change that stores the batch. Where that has no room, and removing a few completed reports in it was
// not enough, more of them go in changes of their own.
func (w *writer) commit(apply func(*tx) error) error {
	for {
		err := w.m.change(w.ctx, w.bytes, apply)
		var full *StorageFullError
		if !errors.As(err, &full) {
			return err
		}
		if removed, err2 := w.m.evictCompleted(w.ctx, int64(w.bytes)); removed == 0 || err2 != nil {
			return errors.Join(err, err2)
		}
	}
}

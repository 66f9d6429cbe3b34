package chunk

import (
	"context"
	"errors"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
)

// MaxStorageMB is divided among the reserve, the write-ahead log and the pages that hold data.

// reserveBytes is enough for the write-ahead log of many deletions and one checkpoint of it.
const reserveBytes = 8 << 20

// reserveShare returns the size of the reserve under a storage limit. A limit of zero means none.
func reserveShare(limit int64) int64 {
	if limit == 0 {
		return reserveBytes
	}
	return min(reserveBytes, limit/8)
}

// walShare returns the maximum size of the write-ahead log under a storage limit. A limit of zero means none.
func walShare(limit int64) int64 {
	if limit == 0 {
		return sqlitedb.DefaultMaxWAL
	}
	return min(sqlitedb.DefaultMaxWAL, limit/4)
}

// dataShare returns the bytes that pages with data may take under a storage limit.
func dataShare(limit int64) int64 { return limit - walShare(limit) - reserveShare(limit) }

// reserveSpace ensures that need bytes more fit under MaxStorageMB: it removes finished reports, oldest first, then unsent
// ones if DropUnsent is set, and returns a *StorageFullError if that is not enough.
func (m *Manager) reserveSpace(t *tx, need int64) error {
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

// evictCompleted removes completed reports, oldest first, until need bytes more fit under MaxStorageMB, and returns how
// many. They remain removed even if the report that needs the space is refused: otherwise each refused report would remove
// all of them again.
func (m *Manager) evictCompleted(ctx context.Context, need int64) (removed int64, err error) {
	target := dataShare(m.cfg.maxBytes()) - need
	if !m.cfg.AggressiveCleanup || target < 0 {
		return 0, nil
	}
	return m.evictTo(ctx, target, nil, bySize)
}

// evictTo removes completed reports, as evict does, in batches between which other changes run.
func (m *Manager) evictTo(ctx context.Context, target int64, tenant *string, reason string) (removed int64, err error) {
	return m.inBatches(ctx, func(t *tx) (batch int64, err error) {
		batch, _, err = m.evict(t, target, false, tenant, reason)
		return batch, err
	})
}

// cleanupBatch bounds the reports that one transaction removes.
const cleanupBatch = 256

// inBatches calls remove in transactions of their own as long as it removes cleanupBatch reports.
func (m *Manager) inBatches(ctx context.Context, remove func(*tx) (int64, error)) (removed int64, err error) {
	for batch := int64(cleanupBatch); batch == cleanupBatch; removed += batch {
		err := m.change(ctx, 0, func(t *tx) (err error) {
			batch, err = remove(t)
			return err
		})
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
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

// evict removes reports, oldest first, until at most target bytes are in use: at most cleanupBatch completed ones, and if
// unsent is set and none of these is left, also failed and pending ones. A tenant limits it to the reports of one tenant.
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
			if state == schema.ReportCompleted && removed == cleanupBatch {
				return removed, used, nil
			}
			var rid int64
			err := t.Row("SELECT rid FROM reports WHERE state = ?1 AND (?2 IS NULL OR tenant = ?2) ORDER BY finished, rid LIMIT 1",
				[]any{state, tenant}, &rid)
			if isNoRows(err) {
				break
			}
			if err == nil {
				err = m.remove(t, rid, state, reason)
			}
			if err != nil {
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

// commit makes a change that stores the batch of w. If there is no space, and the removal of a few completed reports within
// the change was not enough, it removes more in changes of their own.
func (w *writer) commit(apply func(*tx) error) error {
	for {
		err := w.m.change(w.ctx, w.bytes, apply)
		if !errors.As(err, new(*StorageFullError)) {
			return err
		}
		if removed, err2 := w.m.evictCompleted(w.ctx, int64(w.bytes)); removed == 0 || err2 != nil {
			return errors.Join(err, err2)
		}
	}
}

package chunk

import (
	"context"
	"fmt"
	"time"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
)

const (
	vacuumPages = 256 // given back in one slice, so that no submit waits for more than that
	keepFree    = 64  // free pages not worth giving back
)

// clean runs the clean-ups by age and size, and gives freed pages back, until Close.
func (m *Manager) clean() {
	var tick <-chan time.Time
	if m.cfg.CleanupIntervalMinutes > 0 {
		t := time.NewTicker(time.Duration(m.cfg.CleanupIntervalMinutes) * time.Minute)
		defer t.Stop()
		tick = t.C
	}
	m.sweep() // what became too old while no agent ran
	for {
		select {
		case <-m.stop:
			return
		case <-tick:
			m.sweep()
		case <-m.freed:
			if m.pauseCleaner(shrinkDelay) {
				m.shrink()
			}
		}
	}
}

// shrinkDelay is how long freed pages are kept for what is stored next before they are given back.
const shrinkDelay = 500 * time.Millisecond

// pauseCleaner waits, and returns false when Close ended the wait.
func (m *Manager) pauseCleaner(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-m.stop:
		return false
	}
}

func (m *Manager) wakeCleaner() {
	select {
	case m.freed <- struct{}{}:
	default:
	}
}

// sweep runs the periodic clean-up; what fails is said in an event and tried again next time.
func (m *Manager) sweep() {
	ctx := context.Background()
	if _, err := m.sweepAge(ctx, time.Now()); err != nil {
		m.cleanupFailed(byAge, "clean-up by age failed", err)
	}
	if limit := m.cfg.maxBytes(); limit > 0 && m.cfg.AggressiveCleanup {
		_, err := m.evictCompleted(ctx, 0)
		if err == nil {
			err = m.change(ctx, 0, func(t *tx) error { return m.makeRoom(t, 0) })
		}
		if err != nil {
			m.cleanupFailed(bySize, "clean-up by size failed", err)
		}
	}
	m.shrink()
}

// sweepAge removes finished reports past their retention and dead letters past theirs, and returns how many reports.
func (m *Manager) sweepAge(ctx context.Context, now time.Time) (removed int64, err error) {
	for _, r := range []struct{ state, hours int }{{schema.ReportCompleted, m.cfg.RetentionHours}, {schema.ReportFailed, m.cfg.DeadRetentionHours}} {
		if r.hours < 0 {
			continue
		}
		before := now.Add(-time.Duration(r.hours) * time.Hour).UnixMilli()
		for more := true; more; { // in batches, between which others have their turn
			var batch int64
			err := m.change(ctx, 0, func(t *tx) (err error) {
				batch, err = m.removeOld(t, r.state, before)
				return err
			})
			if err != nil {
				return removed, err
			}
			removed += batch
			more = batch == sweepBatch
		}
	}
	return removed, nil
}

// sweepBatch bounds what one transaction removes.
const sweepBatch = 256

// removeOld removes at most sweepBatch reports of a state that finished before a time, and returns how many.
func (m *Manager) removeOld(t *tx, state int, before int64) (removed int64, err error) {
	if state == schema.ReportCompleted {
		return m.removeCompleted(t, before)
	}
	for ; removed < sweepBatch; removed++ {
		var rid int64
		err := t.Row("SELECT rid FROM reports WHERE state = ? AND finished < ? LIMIT 1", []any{state, before}, &rid)
		if isNoRows(err) {
			break
		}
		if err == nil {
			err = m.remove(t, rid, state, byAge)
		}
		if err != nil {
			return 0, err
		}
	}
	return removed, nil
}

// removeCompleted removes at most sweepBatch completed reports: nothing of them is accounted, and one event tells of all.
func (m *Manager) removeCompleted(t *tx, before int64) (removed int64, err error) {
	const old = "(SELECT rid FROM reports WHERE state = 2 AND finished < ? ORDER BY finished, rid LIMIT ?)"
	var bytes int64
	if err := t.Row("SELECT "+dataBytes+" FROM parts p LEFT JOIN blobs b ON b.pid = p.pid WHERE p.rid IN "+old, []any{before, sweepBatch}, &bytes); err != nil {
		return 0, err
	}
	if removed, err = t.Exec("DELETE FROM reports WHERE rid IN "+old, before, sweepBatch); removed > 0 {
		t.AfterCommit(func() { m.removed(removal{reason: byAge, reports: removed, bytes: bytes}) })
	}
	return removed, err
}

// dataBytes is how much data there is of parts p, whose data, where it is still there, is b.
const dataBytes = "coalesce(sum(p.size) FILTER (WHERE b.pid IS NOT NULL), 0)"

// remove deletes a report with its parts, and tells of it. An unfinished one counts as dropped.
func (m *Manager) remove(t *tx, rid int64, state int, reason string) error {
	gone := removal{reason: reason, reports: 1, unsent: state != schema.ReportCompleted}
	var parts, waiting, dead int64
	if err := t.Row(`SELECT r.tenant, r.job, r.id, count(*) FILTER (WHERE p.state = 1), coalesce(sum(p.size) FILTER (WHERE p.state = 1), 0),
			coalesce(sum(p.size) FILTER (WHERE p.state = 3), 0), `+dataBytes+`
		FROM reports r LEFT JOIN parts p ON p.rid = r.rid LEFT JOIN blobs b ON b.pid = p.pid WHERE r.rid = ? GROUP BY r.rid`,
		[]any{rid}, &gone.tenant, &gone.job, &gone.report, &parts, &waiting, &dead, &gone.bytes); err != nil {
		return err
	}
	if _, err := t.Exec("DELETE FROM reports WHERE rid = ?", rid); err != nil {
		return err
	}
	t.AfterCommit(func() {
		m.mu.Lock()
		switch state {
		case schema.ReportPending:
			m.removals++
			m.window.stale = true
			m.counts.Dropped++
			m.counts.Parts -= parts
			m.counts.Bytes -= waiting
			m.bookLocked(gone.tenant, -1, -waiting-dead)
			for pid, l := range m.leases { // an upload under way settles into ErrNotFound
				if l.rid == rid {
					m.endLeaseLocked(pid, l)
				}
			}
		case schema.ReportFailed:
			m.removals++
			m.bookLocked(gone.tenant, 0, -dead)
		}
		m.mu.Unlock()
		m.wake() // who waits for the last report to end need wait no more
		m.wakeCleaner()
		m.removed(gone)
	})
	return nil
}

// shrink gives free pages back to the filesystem, in slices between which other changes run.
func (m *Manager) shrink() {
	for gave := false; ; gave = true {
		slice, err := m.vacuum()
		if err != nil {
			m.cleanupFailed(bySize, "free pages could not be given back", err)
			return
		}
		stopped := false
		select {
		case <-m.stop:
			stopped = true
		default:
		}
		if slice > 0 && !stopped {
			continue
		}
		if gave { // the file shrinks only when the WAL is folded in
			if err := m.db.Checkpoint(); err != nil {
				m.cleanupFailed(bySize, "the write-ahead log could not be folded in", err)
			}
		}
		return
	}
}

// vacuum gives one slice of free pages back and returns how many. It begins no transaction where there are few.
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

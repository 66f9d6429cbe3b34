package chunk

import (
	"context"
	"time"

	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
)

// clean runs the clean-ups by age and size, and returns free pages to the file system, until Close.
func (m *Manager) clean() {
	var tick <-chan time.Time
	if m.cfg.CleanupIntervalMinutes > 0 {
		t := time.NewTicker(time.Duration(m.cfg.CleanupIntervalMinutes) * time.Minute)
		defer t.Stop()
		tick = t.C
	}
	m.cleanUp() // retention may have ended while no agent ran
	for {
		select {
		case <-m.stop:
			return
		case <-tick:
			m.cleanUp()
		case <-m.freed:
			select {
			case <-time.After(shrinkDelay):
				m.shrink()
			case <-m.stop:
				return
			}
		}
	}
}

func (m *Manager) wakeCleaner() {
	select {
	case m.freed <- struct{}{}:
	default:
	}
}

// cleanUp runs the periodic clean-up. A failure is recorded as an event and tried again next time.
func (m *Manager) cleanUp() {
	ctx := context.Background()
	if _, err := m.cleanUpAge(ctx, time.Now()); err != nil {
		m.cleanupFailed(byAge, "clean-up by age failed", err)
	}
	if limit := m.cfg.maxBytes(); limit > 0 && m.cfg.AggressiveCleanup {
		_, err := m.evictCompleted(ctx, 0)
		if err == nil {
			err = m.change(ctx, 0, func(t *tx) error { return m.reserveSpace(t, 0) })
		}
		if err != nil {
			m.cleanupFailed(bySize, "clean-up by size failed", err)
		}
	}
	m.shrink()
}

// cleanUpAge removes completed reports and dead letters whose retention has ended, and returns the number of reports.
func (m *Manager) cleanUpAge(ctx context.Context, now time.Time) (removed int64, err error) {
	for _, r := range []struct {
		hours  int
		remove func(t *tx, before int64) (int64, error)
	}{{m.cfg.RetentionHours, m.removeCompleted}, {m.cfg.DeadRetentionHours, m.removeFailed}} {
		if r.hours < 0 {
			continue
		}
		before := now.Add(-time.Duration(r.hours) * time.Hour).UnixMilli()
		n, err := m.inBatches(ctx, func(t *tx) (int64, error) { return r.remove(t, before) })
		if removed += n; err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// removeFailed removes at most cleanupBatch reports with dead letters that finished before a time.
func (m *Manager) removeFailed(t *tx, before int64) (removed int64, err error) {
	for ; removed < cleanupBatch; removed++ {
		var rid int64
		err := t.Row("SELECT rid FROM reports WHERE state = 3 AND finished < ? LIMIT 1", []any{before}, &rid)
		if isNoRows(err) {
			break
		}
		if err == nil {
			err = m.remove(t, rid, schema.ReportFailed, byAge)
		}
		if err != nil {
			return 0, err
		}
	}
	return removed, nil
}

// removeCompleted removes at most cleanupBatch completed reports that finished before a time. They are in no account, and
// one event describes all of them.
func (m *Manager) removeCompleted(t *tx, before int64) (removed int64, err error) {
	const old = "(SELECT rid FROM reports WHERE state = 2 AND finished < ? ORDER BY finished, rid LIMIT ?)"
	var bytes int64
	if err := t.Row("SELECT "+dataBytes+" FROM parts p LEFT JOIN blobs b ON b.pid = p.pid WHERE p.rid IN "+old, []any{before, cleanupBatch}, &bytes); err != nil {
		return 0, err
	}
	if removed, err = t.Exec("DELETE FROM reports WHERE rid IN "+old, before, cleanupBatch); removed > 0 {
		t.AfterCommit(func() { m.removed(removal{reason: byAge, reports: removed, bytes: bytes}) })
	}
	return removed, err
}

// dataBytes sums up the data of parts p, left-joined with their blobs b.
const dataBytes = "coalesce(sum(p.size) FILTER (WHERE b.pid IS NOT NULL), 0)"

// remove deletes a report with its parts and records an event. An unfinished report counts as dropped.
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
			for pid, l := range m.leases { // settling an upload under way returns ErrNotFound
				if l.rid == rid {
					m.endLeaseLocked(pid, l)
				}
			}
		case schema.ReportFailed:
			m.removals++
			m.bookLocked(gone.tenant, 0, -dead)
		}
		m.mu.Unlock()
		m.wake() // a caller that waits for the last report to end can stop waiting
		m.wakeCleaner()
		m.removed(gone)
	})
	return nil
}

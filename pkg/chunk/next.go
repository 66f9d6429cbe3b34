package chunk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rediverio/sdk/pkg/report"
)

// window is a run of waiting parts in the order of their turn, read ahead so that most leases need no search.
type window struct {
	parts    []candidate
	lowest   int       // priority of the last part read
	complete bool      // it held everything due when it was read
	stale    bool      // something may have to go before what is left
	retry    time.Time // the earliest time at which a part put back becomes due; zero: none
	leased   int       // leases since the store was opened
}

type candidate struct {
	pid, rid int64
	priority int
	chunk    bool // of a split report: paced by UploadDelayMs
}

const (
	windowSize = 256
	// fairEvery is how often the oldest part goes first whatever its priority, so that none starves.
	fairEvery = 8
)

// added notes that parts of this priority became due.
func (w *window) added(priority int) {
	if w.complete || priority > w.lowest {
		w.stale = true
	}
}

// Next leases the part to upload next; see pipeline.Spool. It returns nil while MaxConcurrentUploads parts
// are leased, and for UploadDelayMs after a chunk of a split report was leased. The data is as it was read: a
// pipeline compares it with SHA256 before it is uploaded.
func (m *Manager) Next(ctx context.Context) (*report.Part, time.Time, error) {
	m.nextMu.Lock()
	defer m.nextMu.Unlock()
	if m.db.isClosed() {
		return nil, time.Time{}, ErrClosed
	}
	for refilled := false; ; {
		c, due, empty := m.pick(time.Now())
		switch {
		case c != nil:
			if err := m.yieldToOldest(ctx, c); err != nil {
				return nil, time.Time{}, err
			}
			part, err := m.lease(ctx, *c)
			if part != nil || err != nil {
				return part, time.Time{}, err
			}
		case !due.IsZero() || !empty:
			return nil, due, nil
		case refilled:
			due, err := m.nextDue(ctx)
			return nil, due, err
		default:
			if err := m.refill(ctx); err != nil {
				return nil, time.Time{}, err
			}
			refilled = true
		}
	}
}

// pick takes the next candidate from the window. Without one it says when there will be one, or that the
// window is empty.
func (m *Manager) pick(now time.Time) (c *candidate, due time.Time, empty bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.leases) >= m.cfg.MaxConcurrentUploads {
		return nil, time.Time{}, false
	}
	if m.pause.After(now) {
		return nil, m.pause, false
	}
	w := &m.window
	if !w.retry.IsZero() && !w.retry.After(now) {
		w.stale, w.retry = true, time.Time{}
	}
	if w.stale {
		w.parts = w.parts[:0]
	}
	paced := m.lastChunk.Add(m.cfg.uploadDelay())
	for i, p := range w.parts {
		if p.chunk && paced.After(now) {
			continue
		}
		w.parts = slices.Delete(w.parts, i, i+1)
		return &p, time.Time{}, false
	}
	if len(w.parts) > 0 {
		if !w.retry.IsZero() && w.retry.Before(paced) {
			return nil, w.retry, false
		}
		return nil, paced, false
	}
	return nil, time.Time{}, true
}

// yieldToOldest exchanges c for the oldest part due, every fairEvery leases, where c goes first only by its priority.
func (m *Manager) yieldToOldest(ctx context.Context, c *candidate) error {
	m.mu.Lock()
	w := &m.window
	skip := w.leased%fairEvery != fairEvery-1 || w.complete && c.priority == w.lowest
	paced := m.lastChunk.Add(m.cfg.uploadDelay()).After(time.Now())
	m.mu.Unlock()
	if skip {
		return nil
	}
	var old candidate
	err := m.db.read.QueryRowContext(ctx, `SELECT p.pid, p.rid, p.priority, r.parts > 1 FROM parts p JOIN reports r ON r.rid = p.rid
		WHERE p.state = 1 AND p.due <= ? ORDER BY p.pid LIMIT 1`, time.Now().UnixMilli()).Scan(&old.pid, &old.rid, &old.priority, &old.chunk)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, leased := m.leases[old.pid]; leased || old.pid == c.pid || old.chunk && paced {
		return nil
	}
	w.parts = slices.DeleteFunc(w.parts, func(p candidate) bool { return p.pid == old.pid })
	w.parts = slices.Insert(w.parts, 0, *c)
	*c = old
	return nil
}

// refill reads the window anew.
func (m *Manager) refill(ctx context.Context) error {
	m.mu.Lock()
	m.window.stale = false // what is added from here on is not in the result, and says so
	m.mu.Unlock()
	now := time.Now().UnixMilli()
	rows, err := m.db.read.QueryContext(ctx, fmt.Sprintf(`SELECT p.pid, p.rid, p.priority, r.parts > 1
		FROM parts p JOIN reports r ON r.rid = p.rid WHERE p.state = 1 AND p.due <= ? ORDER BY p.priority DESC, p.pid LIMIT %d`, windowSize), now)
	if err != nil {
		return err
	}
	defer rows.Close()
	var found []candidate
	for rows.Next() {
		var c candidate
		if err := rows.Scan(&c.pid, &c.rid, &c.priority, &c.chunk); err != nil {
			return err
		}
		found = append(found, c)
	}
	if err := rows.Err(); err != nil {
		return err
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	w := &m.window
	w.complete = len(found) < windowSize
	w.parts = w.parts[:0]
	for _, c := range found {
		w.lowest = c.priority
		if _, leased := m.leases[c.pid]; !leased {
			w.parts = append(w.parts, c)
		}
	}
	return nil
}

// nextDue returns when the first of the parts put back becomes due.
func (m *Manager) nextDue(ctx context.Context) (time.Time, error) {
	var ms sql.NullInt64
	err := m.db.read.QueryRowContext(ctx, "SELECT min(due) FROM parts WHERE state = 1 AND due > ?", time.Now().UnixMilli()).Scan(&ms)
	if err != nil || !ms.Valid {
		return time.Time{}, err
	}
	return time.UnixMilli(ms.Int64), nil
}

// lease reads a candidate's part and marks it as leased. It returns nil when the part is no longer waiting.
func (m *Manager) lease(ctx context.Context, c candidate) (*report.Part, error) {
	m.db.visible.RLock() // else the part of a report not counted yet could be leased, or of one just dropped
	defer m.db.visible.RUnlock()
	p, err := m.load(ctx, c)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.leases[c.pid] = lease{rid: c.rid, part: p}
	m.byPart[p] = c.pid
	m.reportUses[c.rid]++
	m.window.leased++
	if c.chunk {
		m.lastChunk = time.Now()
	}
	m.mu.Unlock()
	return p, nil
}

func (m *Manager) load(ctx context.Context, c candidate) (*report.Part, error) {
	var p report.Part
	var content, sha []byte
	var created int64
	err := m.db.read.QueryRowContext(ctx, `SELECT r.tenant, r.id, r.job, r.tool, r.priority, r.content, r.parts, r.created,
			p.idx, p.encoding, p.raw, p.sha, p.findings, p.assets, p.deps, p.oversize, p.attempts, coalesce(b.data, x'')
		FROM parts p JOIN reports r ON r.rid = p.rid LEFT JOIN blobs b ON b.pid = p.pid
		WHERE p.pid = ? AND p.rid = ? AND p.state = 1 AND p.due <= ?`, c.pid, c.rid, time.Now().UnixMilli()).
		Scan(&p.TenantID, &p.ReportID, &p.JobID, &p.Tool, &p.Priority, &content, &p.Total, &created,
			&p.Index, &p.Encoding, &p.RawSize, &sha, &p.Findings, &p.Assets, &p.Dependencies, &p.Oversize, &p.Attempt, &p.Data)
	if err != nil {
		return nil, err
	}
	if len(content) != 32 || len(sha) != 32 {
		return nil, fmt.Errorf("part %d of report %s: hash of %d and %d bytes", p.Index, p.ReportID, len(content), len(sha))
	}
	p.SHA256 = [32]byte(sha)
	p.Key = report.PartKey(p.ReportID, [32]byte(content), p.Index)
	p.Final = p.Index == p.Total-1
	p.SubmittedAt = time.UnixMilli(created)
	p.Attempt++
	return &p, nil
}

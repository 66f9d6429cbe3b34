package chunk

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/rediverio/sdk/pkg/part"
)

// Next leases the part to upload next; see pipeline.Spool. It returns nil while as many parts are leased as may be, and
// during the upload delay after a part of a split report was leased. The data is as it was read: a pipeline compares it with
// SHA256 before the upload.
func (m *Manager) Next(ctx context.Context) (*part.Part, time.Time, error) {
	m.nextMu.Lock()
	defer m.nextMu.Unlock()
	if m.db.Closed() {
		return nil, time.Time{}, ErrClosed
	}
	for refilled := false; ; {
		c, ok, due, empty := m.pick(time.Now())
		switch {
		case ok:
			if err := m.yieldToOldest(ctx, &c); err != nil {
				return nil, time.Time{}, err
			}
			pt, err := m.lease(ctx, c)
			if pt != nil || err != nil {
				return pt, time.Time{}, err
			}
		case !empty:
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

// pick takes the next candidate from the window. If there is none it returns when there will be one, or that the window is
// empty.
func (m *Manager) pick(now time.Time) (c candidate, ok bool, due time.Time, empty bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.leases) >= m.uploads.concurrent || m.window.isIdle() {
		return candidate{}, false, time.Time{}, false
	}
	return m.window.take(now, m.lastChunk.Add(m.uploads.delay))
}

// waitingParts selects candidates that are due.
const waitingParts = `SELECT p.pid, p.rid, p.priority, p.turn, r.parts > 1 FROM parts p JOIN reports r ON r.rid = p.rid WHERE p.state = 1 AND p.due <= ?`

// yieldToOldest replaces c by the oldest part that is due, every fairEvery leases, if c is first only by its priority.
func (m *Manager) yieldToOldest(ctx context.Context, c *candidate) error {
	m.mu.Lock()
	skip := m.window.leased%fairEvery != fairEvery-1 || !m.window.firstByPriority(*c)
	m.mu.Unlock()
	if skip {
		return nil
	}
	return m.db.Consistent(func() error { // see refill
		var old candidate
		err := m.db.Row(ctx, waitingParts+" ORDER BY p.turn, p.pid LIMIT 1", []any{time.Now().UnixMilli()},
			&old.pid, &old.rid, &old.priority, &old.turn, &old.chunk)
		if isNoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		paced := m.lastChunk.Add(m.uploads.delay).After(time.Now())
		if _, leased := m.leases[old.pid]; leased || old.pid == c.pid || old.chunk && paced {
			return nil
		}
		m.window.swap(*c, old)
		*c = old
		return nil
	})
}

// refill reads the window again. It does so between transactions, so that it finds no part whose report is not counted yet,
// and misses none.
func (m *Manager) refill(ctx context.Context) error {
	return m.db.Consistent(func() error { return m.readWindow(ctx) })
}

func (m *Manager) readWindow(ctx context.Context) error {
	m.mu.Lock()
	most := windowSize + len(m.leases) // leased parts are still waiting in the database
	m.mu.Unlock()
	var found []candidate
	err := m.each(ctx, func(rows *sql.Rows) error {
		var c candidate
		err := rows.Scan(&c.pid, &c.rid, &c.priority, &c.turn, &c.chunk)
		found = append(found, c)
		return err
	}, waitingParts+" ORDER BY p.priority DESC, p.turn, p.pid LIMIT ?", time.Now().UnixMilli(), most)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	complete := len(found) < most
	free := slices.DeleteFunc(found, func(c candidate) bool { _, leased := m.leases[c.pid]; return leased })
	m.window.load(free, complete)
	return nil
}

// nextDue returns when the first retried part becomes due.
func (m *Manager) nextDue(ctx context.Context) (time.Time, error) {
	var ms sql.NullInt64
	err := m.db.Row(ctx, "SELECT min(due) FROM parts WHERE state = 1 AND due > 0 AND due > ?", []any{time.Now().UnixMilli()}, &ms)
	if err != nil {
		return time.Time{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.window.idle = !ms.Valid; m.window.idle {
		return time.Time{}, nil
	}
	m.window.putBack(time.UnixMilli(ms.Int64))
	return m.window.retry, nil
}

// lease reads the part of a candidate and marks it as leased. It returns nil if the part is no longer waiting.
func (m *Manager) lease(ctx context.Context, c candidate) (*part.Part, error) {
	for {
		m.mu.Lock()
		removals := m.removals
		m.mu.Unlock()
		p, size, err := m.load(ctx, c)
		if isNoRows(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		m.mu.Lock()
		if m.removals != removals { // the report may have been removed since the part was read
			m.mu.Unlock()
			continue
		}
		m.leases[c.pid] = lease{candidate: c, part: p, size: size}
		m.byPart[p] = c.pid
		m.reportUses[c.rid]++
		m.window.leased++
		m.served = max(m.served, c.turn)
		if c.chunk {
			m.lastChunk = time.Now()
		}
		m.mu.Unlock()
		return p, nil
	}
}

func (m *Manager) load(ctx context.Context, c candidate) (_ *part.Part, size int64, _ error) {
	var p part.Part
	var content, sha []byte
	var created int64
	var keyID string
	err := m.db.Row(ctx, `SELECT r.tenant, r.id, r.job, r.tool, r.priority, r.content, r.parts, r.created,
			p.idx, p.encoding, p.raw, p.sha, p.findings, p.assets, p.deps, p.oversize, p.attempts, p.size, p.keyid, coalesce(b.data, x'')
		FROM parts p JOIN reports r ON r.rid = p.rid LEFT JOIN blobs b ON b.pid = p.pid
		WHERE p.pid = ? AND p.rid = ? AND p.state = 1 AND p.due <= ?`, []any{c.pid, c.rid, time.Now().UnixMilli()},
		&p.TenantID, &p.ReportID, &p.JobID, &p.Tool, &p.Priority, &content, &p.Total, &created,
		&p.Index, &p.Encoding, &p.RawSize, &sha, &p.Findings, &p.Assets, &p.Dependencies, &p.Oversize, &p.Attempt, &size, &keyID, &p.Data)
	if err != nil {
		return nil, 0, err
	}
	if p.Data, err = m.keys.Open(p.Data, keyID, p.TenantID, p.ReportID, p.Index); err != nil {
		p.Data = nil // which does not match its hash
	}
	// A damaged row becomes a part whose hash cannot match, so that it is recognized as damaged and not delivered.
	if p.SHA256 = hash32(sha); len(content) != len(p.SHA256) {
		p.SHA256 = [32]byte{}
	}
	p.Key = part.Key(p.ReportID, hash32(content), p.Index)
	p.Final = p.Index == p.Total-1
	p.SubmittedAt = time.UnixMilli(created)
	p.Attempt++
	return &p, size, nil
}

// hash32 returns b as a hash, or zeros if it has another length.
func hash32(b []byte) (h [32]byte) {
	if len(b) == len(h) {
		copy(h[:], b)
	}
	return h
}

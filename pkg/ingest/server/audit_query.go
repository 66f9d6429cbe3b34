package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

const selectAuditHead = `SELECT agent, seq, chain, lines, repeated, breaks, touched FROM audit_log
	WHERE tenant = (SELECT id FROM tenant WHERE name = ?)`

func scanAuditHead(a *ingest.AuditHead, scan func(...any) error) error {
	var touched int64
	err := scan(&a.Agent, &a.Seq, &a.Chain, &a.Lines, &a.Repeated, &a.Breaks, &touched)
	a.ReceivedAt = time.UnixMilli(touched).UTC()
	return err
}

// AuditHeads returns how far the store has each agent's log, in the order of their names.
func (t *Tenant) AuditHeads(ctx context.Context) ([]ingest.AuditHead, error) {
	rows, err := t.store.read.QueryContext(ctx, selectAuditHead+" ORDER BY agent", t.name)
	if err != nil {
		return nil, fmt.Errorf("list audit logs: %w", err)
	}
	defer rows.Close()
	out := []ingest.AuditHead{}
	for rows.Next() {
		var a ingest.AuditHead
		if err := scanAuditHead(&a, rows.Scan); err != nil {
			return nil, fmt.Errorf("list audit logs: %w", err)
		}
		out = append(out, a)
	}
	return out, rows.Err()
}

// AuditHead returns how far the store has one agent's log; the zero AuditHead when it has none.
func (t *Tenant) AuditHead(ctx context.Context, agent string) (ingest.AuditHead, error) {
	var a ingest.AuditHead
	err := scanAuditHead(&a, t.store.read.QueryRowContext(ctx, selectAuditHead+" AND agent = ?", t.name, agent).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return ingest.AuditHead{}, nil
	}
	if err != nil {
		return a, fmt.Errorf("audit log of %q: %w", wire.Clip(agent, 64), err)
	}
	return a, nil
}

// AuditLines returns the lines of one agent's log behind number after, at most limit; 0 is DefaultAuditLimit.
func (t *Tenant) AuditLines(ctx context.Context, agent string, after uint64, limit int) (*ingest.AuditPage, error) {
	orDefault(&limit, ingest.DefaultAuditLimit)
	limit = min(max(limit, 1), ingest.MaxAuditLimit)
	if after > wire.MaxAuditSeq { // past what SQLite holds
		after = wire.MaxAuditSeq
	}
	head, err := t.AuditHead(ctx, agent)
	if err != nil {
		return nil, err
	}
	page := &ingest.AuditPage{Head: head}
	rows, err := t.store.read.QueryContext(ctx, `SELECT l.seq, l.data FROM audit_log a JOIN audit_line l ON l.log = a.id
		WHERE a.tenant = (SELECT id FROM tenant WHERE name = ?) AND a.agent = ? AND l.seq > ? ORDER BY l.seq LIMIT ?`, t.name, agent, after, limit+1)
	if err != nil {
		return nil, fmt.Errorf("audit log of %q: %w", wire.Clip(agent, 64), err)
	}
	defer rows.Close()
	var last uint64
	for rows.Next() {
		var seq uint64
		var data []byte
		if err := rows.Scan(&seq, &data); err != nil {
			return nil, fmt.Errorf("audit log of %q: %w", wire.Clip(agent, 64), err)
		}
		if page.Lines == limit || page.Lines > 0 && len(page.Data)+len(data) > maxPageBytes {
			page.Next = last
			break
		}
		page.Data = append(page.Data, data...)
		page.Lines++
		last = seq
	}
	return page, rows.Err()
}

// SetAsideAudit keeps an agent's log under another name, which it returns, so that the agent may begin a new one: the way out
// after an AuditForkError, once somebody has seen why. The name is empty when the agent has no log.
func (t *Tenant) SetAsideAudit(agent string) (name string, err error) {
	err = t.store.write(t.name, 0, func(tx *tx) error {
		name = fmt.Sprintf("%s@%d", agent, tx.now.UnixNano())
		n, err := tx.affect("UPDATE audit_log SET agent = ? WHERE tenant = (SELECT id FROM tenant WHERE name = ?) AND agent = ?", name, t.name, agent)
		if n == 0 {
			name = ""
		}
		return err
	})
	return name, err
}

// auditLines answers with the lines of the agent that is asked for; without one, with how far each agent's log is here.
func (h *handler) auditLines(w http.ResponseWriter, r *http.Request, t *Tenant) {
	q := r.URL.Query()
	agent := q.Get("agent")
	if agent == "" {
		heads, err := t.AuditHeads(r.Context())
		if err != nil {
			h.fail(w, r, t, err)
			return
		}
		reply(w, http.StatusOK, heads)
		return
	}
	after, limit, err := parseAuditQuery(q)
	var page *ingest.AuditPage
	if err == nil {
		page, err = t.AuditLines(r.Context(), agent, after, limit)
	}
	if err != nil {
		h.fail(w, r, t, err)
		return
	}
	if page.Next > 0 {
		w.Header().Set(wire.HeaderCursor, strconv.FormatUint(page.Next, 10))
	}
	w.Header().Set(wire.HeaderHead, fmt.Sprintf("%d:%s", page.Head.Seq, page.Head.Chain))
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Content-Length", strconv.Itoa(len(page.Data)))
	_, _ = w.Write(page.Data) // who asked may be gone
}

func parseAuditQuery(q url.Values) (after uint64, limit int, err error) {
	if s := q.Get("after"); s != "" {
		if after, err = strconv.ParseUint(s, 10, 64); err != nil {
			return 0, 0, &badRequest{fmt.Errorf("after %q: want a number", wire.Clip(s, 32))}
		}
	}
	if s := q.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 0 {
			return 0, 0, &badRequest{fmt.Errorf("limit %q: want a number", wire.Clip(s, 32))}
		}
	}
	return after, limit, nil
}

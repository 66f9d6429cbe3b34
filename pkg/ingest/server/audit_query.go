package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

const selectAuditHead = `SELECT agent, seq, chain, lines, repeated, breaks, touched FROM audit_log
	WHERE tenant = (SELECT id FROM tenant WHERE name = ?)`

func scanAuditHead(scan scanFunc) (a ingest.AuditHead, err error) {
	var touched int64
	err = scan(&a.Agent, &a.Seq, &a.Chain, &a.Lines, &a.Repeated, &a.Breaks, &touched)
	a.ReceivedAt = time.UnixMilli(touched).UTC()
	return a, err
}

// AuditHeads returns the last stored line of each agent's log, ordered by agent.
func (t *Tenant) AuditHeads(ctx context.Context) ([]ingest.AuditHead, error) {
	heads, err := list(ctx, t.store, selectAuditHead+" ORDER BY agent", []any{t.name}, scanAuditHead)
	if err != nil {
		return nil, fmt.Errorf("list audit logs: %w", err)
	}
	return heads, nil
}

// AuditHead returns the last stored line of one agent's log. It returns the zero AuditHead if the agent has no log.
func (t *Tenant) AuditHead(ctx context.Context, agent string) (ingest.AuditHead, error) {
	head, err := scanAuditHead(func(into ...any) error {
		return t.store.db.Row(ctx, selectAuditHead+" AND agent = ?", []any{t.name, agent}, into...)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ingest.AuditHead{}, nil
	case err != nil:
		return ingest.AuditHead{}, fmt.Errorf("audit log of %q: %w", wire.Clip(agent, 64), err)
	}
	return head, nil
}

// AuditLines returns the lines of one agent's log after number after, at most limit. A limit of 0 means
// ingest.DefaultAuditLimit.
func (t *Tenant) AuditLines(ctx context.Context, agent string, after uint64, limit int) (*ingest.AuditPage, error) {
	config.Default(&limit, ingest.DefaultAuditLimit)
	limit = min(max(limit, 1), ingest.MaxAuditLimit)
	head, err := t.AuditHead(ctx, agent)
	if err != nil {
		return nil, err
	}
	page := &ingest.AuditPage{Head: head}
	rows, err := t.store.db.Query(ctx, `SELECT l.seq, l.data FROM audit_log a JOIN audit_line l ON l.log = a.id
		WHERE a.tenant = (SELECT id FROM tenant WHERE name = ?) AND a.agent = ? AND l.seq > ? ORDER BY l.seq LIMIT ?`,
		t.name, agent, min(after, wire.MaxAuditSeq), limit+1) // SQLite's integers are signed
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

// ArchiveAudit renames an agent's log and returns its new name, so that the agent can begin a new log. It is the way to continue
// after ingest.CodeAuditForked, once an operator has found its cause. The name is empty if the agent has no log.
func (t *Tenant) ArchiveAudit(agent string) (name string, err error) {
	err = t.write(0, func(tx *tx) error {
		name = fmt.Sprintf("%s@%d", agent, tx.now.UnixNano())
		n, err := tx.affect("UPDATE audit_log SET agent = ? WHERE tenant = (SELECT id FROM tenant WHERE name = ?) AND agent = ?", name, t.name, agent)
		if n == 0 {
			name = ""
		}
		return err
	})
	return name, err
}

// resentAudit answers the request that was accepted last if it is sent again, for example after its answer was lost, without
// decoding it. It returns nil for any other request.
func (t *Tenant) resentAudit(b *auditBatch) (a *auditAnswer, err error) {
	if b.key == "" {
		return nil, nil
	}
	err = t.write(0, func(tx *tx) error {
		a = &auditAnswer{Status: "accepted"}
		var id int64
		found, err := tx.get("SELECT l.id, seq, chain, last_lines FROM audit_log l JOIN tenant t ON t.id = l.tenant WHERE name = ? AND agent = ? AND last_key = ?",
			[]any{t.name, b.agent, b.key}, &id, &a.Seq, &a.Chain, &a.Duplicates)
		if err != nil || !found {
			a = nil
			return err
		}
		return tx.exec("UPDATE audit_log SET repeated = repeated + last_lines WHERE id = ?", id)
	})
	return a, err
}

package server

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// resent returns the stored answer to a known part, without a transaction, or nil. It leaves a part that was submitted again
// later to put, which compares it with the decoded content.
func (t *Tenant) resent(ctx context.Context, in *incoming) (*wire.Answer, error) {
	var have []byte
	var text string
	var submitted int64
	err := t.store.db.Row(ctx, `SELECT p.sha256, p.answer, r.submitted FROM tenant t
		CROSS JOIN part p ON p.tenant = t.id CROSS JOIN report r ON r.id = p.report
		WHERE t.name = ? AND p.key = ?`, []any{t.name, in.key}, &have, &text, &submitted)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, &storeError{err}
	}
	if in.submitted > submitted || !bytes.Equal(have, in.sha[:]) {
		return nil, nil
	}
	return storedAnswer(in, text)
}

// storedAnswer returns the stored answer to a part, marked as a duplicate.
func storedAnswer(in *incoming, text string) (*wire.Answer, error) {
	a := new(wire.Answer)
	if err := json.Unmarshal([]byte(text), a); err != nil {
		return nil, fmt.Errorf("store: answer of part %s: %w", wire.Clip(in.fullKey(), 128), err)
	}
	a.Duplicate = true
	return a, nil
}

// countResent counts a resent part. A full store cannot count it, which does not matter: the part is stored.
func (t *Tenant) countResent() error {
	err := t.write(0, func(tx *tx) error {
		return tx.exec("UPDATE tenant SET repeated_parts = repeated_parts + 1 WHERE name = ?", t.name)
	})
	if sqlitedb.IsNoSpace(err) {
		return nil
	}
	return err
}

// resent returns the answer to a part that is stored, or nil for any other part.
//
// If a report is submitted as A, as B and as A again, the third submission has the keys of the first. Such a part is not a
// duplicate: the first A is replaced, and its parts are accepted again. The time of submission distinguishes it from a late
// duplicate of the first A, which must not win over B.
func (t *tx) resent(tenant int64, in *incoming) (*wire.Answer, error) {
	var have, raw []byte
	var text string
	var rep int64
	var between bool // another revision was submitted between the stored one and this one
	found, err := t.get(`SELECT p.sha256, p.raw_sha256, p.answer, r.id, r.completed != 0 AND EXISTS (SELECT 1 FROM report n
			WHERE n.tenant = r.tenant AND n.report_id = r.report_id AND n.submitted > r.submitted AND n.submitted < ?)
		FROM part p CROSS JOIN report r ON r.id = p.report WHERE p.tenant = ? AND p.key = ?`,
		[]any{in.submitted, tenant, in.fullKey()}, &have, &raw, &text, &rep, &between)
	if err != nil || !found {
		return nil, err
	}
	// The same part has other bytes if it was compressed at another level or by another version.
	if !bytes.Equal(have, in.sha[:]) && !bytes.Equal(raw, in.doc.rawSHA[:]) {
		return nil, &ConflictError{fmt.Sprintf("part %s is stored with other content", wire.Clip(in.fullKey(), 128))}
	}
	a, err := storedAnswer(in, text)
	if err != nil {
		return nil, err
	}
	if between {
		return nil, t.replaceRevision(rep)
	}
	if err := t.exec("UPDATE report SET submitted = ? WHERE id = ? AND submitted < ?", in.submitted, rep, in.submitted); err != nil {
		return nil, err
	}
	return a, t.exec("UPDATE tenant SET repeated_parts = repeated_parts + 1 WHERE id = ?", tenant)
}

// replaceRevision lets the parts of a complete report be accepted again. Its findings stay visible, as the findings of an
// earlier revision.
func (t *tx) replaceRevision(rep int64) error {
	if err := t.exec("DELETE FROM part WHERE report = ?", rep); err != nil {
		return err
	}
	return t.exec("UPDATE report SET rev = rev || '/' || id WHERE id = ?", rep)
}

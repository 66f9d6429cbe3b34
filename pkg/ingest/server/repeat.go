package server

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// maxClockSkew is how far ahead of ours an agent's clock may be. Who is farther ahead would win over every later
// revision, so its word is not taken.
const maxClockSkew = 5 * time.Minute

// submitted reads when the agent accepted the report; 0 when it does not say, or nothing that can be.
func submitted(r *http.Request, now time.Time) int64 {
	at, err := time.Parse(time.RFC3339Nano, r.Header.Get(wire.HeaderSubmit))
	if err != nil || at.After(now.Add(maxClockSkew)) {
		return 0
	}
	return max(at.UnixMilli(), 0)
}

// repeated returns the stored answer when the part is known, without waiting for the writer. It leaves a part that
// was submitted again later to put.
func (t *Tenant) repeated(ctx context.Context, in *incoming) (*wire.Answer, error) {
	var have []byte
	var text string
	var submitted int64
	err := t.store.read.QueryRowContext(ctx, `SELECT p.sha256, p.answer, r.submitted FROM tenant t
		CROSS JOIN part p ON p.tenant = t.id CROSS JOIN report r ON r.id = p.report
		WHERE t.name = ? AND p.key = ?`, t.name, in.key).Scan(&have, &text, &submitted)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, &storeError{err}
	}
	if in.submitted > submitted || !bytes.Equal(have, in.sha[:]) { // put knows more: the part is decoded by then
		return nil, nil
	}
	return sameAnswer(in, text)
}

// sameAnswer is the stored answer for a part that came again.
func sameAnswer(in *incoming, text string) (*wire.Answer, error) {
	a := new(wire.Answer)
	if err := json.Unmarshal([]byte(text), a); err != nil {
		return nil, fmt.Errorf("store: answer of part %s: %w", wire.Clip(in.fullKey(), 128), err)
	}
	a.Duplicate = true
	return a, nil
}

// countRepeat counts a part that came again. A full store goes without the number: the part is safe.
func (t *Tenant) countRepeat() error {
	err := t.store.write(t.name, 0, func(tx *tx) error {
		return tx.exec("UPDATE tenant SET repeated_parts = repeated_parts + 1 WHERE name = ?", t.name)
	})
	if isFull(err) {
		return nil
	}
	return err
}

// repeat answers a part that is stored, and returns nil for any other.
//
// A report that is submitted as A, then as B, then as A again has the keys of the first A the third time. Such a
// part is no repeat: the first A steps aside, and its parts are taken anew. When a report was submitted tells it
// from a late duplicate of the first A, which must not win over B.
func (t *tx) repeat(tenant int64, in *incoming) (*wire.Answer, error) {
	var have, raw []byte
	var text string
	var rep int64
	var between bool
	found, err := t.get(`SELECT p.sha256, p.raw_sha256, p.answer, r.id, r.completed != 0 AND EXISTS (SELECT 1 FROM report n
			WHERE n.tenant = r.tenant AND n.report_id = r.report_id AND n.submitted > r.submitted AND n.submitted < ?)
		FROM part p CROSS JOIN report r ON r.id = p.report WHERE p.tenant = ? AND p.key = ?`,
		[]any{in.submitted, tenant, in.fullKey()}, &have, &raw, &text, &rep, &between)
	if err != nil || !found {
		return nil, err
	}
	// Another level or version of the compression makes other bytes of the same part.
	if !bytes.Equal(have, in.sha[:]) && !bytes.Equal(raw, in.doc.rawSHA[:]) {
		return nil, &ConflictError{fmt.Sprintf("part %s is stored with other content", wire.Clip(in.fullKey(), 128))}
	}
	a, err := sameAnswer(in, text)
	if err != nil {
		return nil, err
	}
	if between {
		return nil, t.stepAside(rep)
	}
	if err := t.exec("UPDATE report SET submitted = ? WHERE id = ? AND submitted < ?", in.submitted, rep, in.submitted); err != nil {
		return nil, err
	}
	return a, t.exec("UPDATE tenant SET repeated_parts = repeated_parts + 1 WHERE id = ?", tenant)
}

// stepAside lets the parts of a complete report come again. Its findings stay visible, as those of an earlier one.
func (t *tx) stepAside(rep int64) error {
	if err := t.exec("DELETE FROM part WHERE report = ?", rep); err != nil {
		return err
	}
	return t.exec("UPDATE report SET rev = rev || '/' || id WHERE id = ?", rep)
}

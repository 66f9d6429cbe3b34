package server

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
	"github.com/rediverio/sdk/pkg/report"
)

// audit takes lines of an agent's audit log.
func (h *handler) audit(w http.ResponseWriter, r *http.Request, t *Tenant) {
	a, err := h.acceptAudit(w, r, t)
	var behind *AuditBehindError
	var fork *AuditForkError
	agent := wire.Clip(r.Header.Get(wire.HeaderAgent), 256)
	switch {
	case errors.As(err, &behind):
		h.refuse(w, r, t.name, http.StatusConflict, ingest.CodeAuditBehind, err.Error(), map[string]any{"seq": behind.Have})
	case errors.As(err, &fork):
		h.refuse(w, r, t.name, http.StatusConflict, ingest.CodeAuditForked, err.Error(), map[string]any{"seq": fork.Have, "line": fork.Seq})
		h.sink.Record(event.Event{Type: event.ValidationError, Severity: event.Critical, TenantID: t.name, AgentID: agent,
			Message: "an agent's audit log is another one than before", Error: err.Error(), Details: map[string]any{"seq": fork.Seq, "have": fork.Have}})
		t.reject()
	case err != nil:
		h.fail(w, r, t, err)
	default:
		h.tellBreaks(t, agent, a.broken)
		status := http.StatusCreated
		if a.Stored == 0 {
			status = http.StatusOK
		}
		reply(w, status, a)
	}
}

// tellBreaks says that lines are stored which do not go on from those before them.
func (h *handler) tellBreaks(t *Tenant, agent string, broken []auditBreak) {
	for _, b := range broken[:min(len(broken), 10)] {
		e := event.Event{Type: event.ValidationError, Severity: event.Warn, TenantID: t.name, AgentID: agent,
			Message: "lines of an agent's audit log are missing", Details: map[string]any{"after_seq": b.before, "seq": b.seq}}
		if b.altered() {
			e.Severity, e.Message = event.Critical, "a line of an agent's audit log was altered before it was sent"
		}
		h.sink.Record(e)
	}
}

func (h *handler) acceptAudit(w http.ResponseWriter, r *http.Request, t *Tenant) (*auditAnswer, error) {
	b, err := readAuditHeader(r.Header)
	if err != nil {
		return nil, &badRequest{err}
	}
	body, held, err := h.body(w, r, t, h.limits.MaxCompressedBytes)
	if err != nil {
		return nil, err
	}
	defer held.release()
	if a, err := t.repeatedAudit(b); a != nil || err != nil {
		return a, err
	}
	done, err := h.admission.decoder(r.Context(), t.name)
	if err != nil {
		return nil, err
	}
	defer done()
	if body, err = codec.Decode(r.Header.Get("Content-Encoding"), body, h.limits.codec()); err != nil {
		return nil, asBad(err)
	}
	if b.lines, err = readAuditLines(body); err != nil {
		return nil, err
	}
	b.size = int64(len(body))
	if held.resize(max(held.bytes, b.size)) {
		done() // as for a part of a report
	}
	return t.putAudit(b)
}

// checkAgent bounds the names under which logs are stored.
func checkAgent(agent string) error {
	if agent == "" || len(agent) > report.MaxIDLen || strings.ContainsFunc(agent, wire.NotTokenRune) {
		return fmt.Errorf("agent %q: want 1 to %d printable ASCII characters", wire.Clip(agent, 64), report.MaxIDLen)
	}
	return nil
}

func readAuditHeader(header http.Header) (*auditBatch, error) {
	b := &auditBatch{agent: header.Get(wire.HeaderAgent), key: header.Get(wire.HeaderKey)}
	if err := checkAgent(b.agent); err != nil {
		return nil, err
	}
	if b.key != "" {
		if err := wire.CheckKey(b.key); err != nil {
			return nil, err
		}
	}
	after := header.Get(wire.HeaderAfter)
	if after == "" {
		return b, nil
	}
	seq, chain, _ := strings.Cut(after, ":")
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil || chain != "" && len(chain) != len(auditGenesis) {
		return nil, fmt.Errorf("%s %q: want a number, and a chain value where it is known", wire.HeaderAfter, wire.Clip(after, 100))
	}
	b.after.seq, b.after.chain, b.after.given = n, chain, true
	return b, nil
}

// repeatedAudit answers a request that came before, as after a lost answer, without decoding it.
func (t *Tenant) repeatedAudit(b *auditBatch) (a *auditAnswer, err error) {
	if b.key == "" {
		return nil, nil
	}
	err = t.store.write(t.name, 0, func(tx *tx) error {
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

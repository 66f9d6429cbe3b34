package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
	"github.com/rediverio/sdk/pkg/report"
)

// audit accepts lines of an agent's audit log.
func (h *handler) audit(w http.ResponseWriter, r *http.Request, t *Tenant) error {
	a, err := h.acceptAudit(w, r, t)
	if err != nil {
		return err
	}
	h.recordBreaks(t, agentOf(r), a.broken)
	status := http.StatusCreated
	if a.Stored == 0 {
		status = http.StatusOK
	}
	reply(w, status, a)
	return nil
}

// recordBreaks records that stored lines do not continue the lines before them.
func (h *handler) recordBreaks(t *Tenant, agent string, broken []auditBreak) {
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
	if a, err := t.resentAudit(b); a != nil || err != nil {
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

// checkAgent checks the name of an agent whose data is stored under it.
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
		return nil, fmt.Errorf("%s %q: want a number and, if known, a chain value", wire.HeaderAfter, wire.Clip(after, 100))
	}
	b.after.seq, b.after.chain, b.after.given = n, chain, true
	return b, nil
}

// auditLines answers with the lines of one agent, or without an agent with the last line of each agent's log.
func (h *handler) auditLines(w http.ResponseWriter, r *http.Request, t *Tenant) error {
	q := r.URL.Query()
	agent := q.Get("agent")
	if agent == "" {
		heads, err := t.AuditHeads(r.Context())
		return replyOr(w, heads, err)
	}
	after, err := number(q, "after")
	if err != nil {
		return err
	}
	limit, err := number(q, "limit")
	if err != nil {
		return err
	}
	page, err := t.AuditLines(r.Context(), agent, after, int(limit))
	if err != nil {
		return err
	}
	if page.Next > 0 {
		w.Header().Set(wire.HeaderCursor, strconv.FormatUint(page.Next, 10))
	}
	w.Header().Set(wire.HeaderHead, fmt.Sprintf("%d:%s", page.Head.Seq, page.Head.Chain))
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Content-Length", strconv.Itoa(len(page.Data)))
	_, _ = w.Write(page.Data) // a client that has gone misses the answer alone
	return nil
}

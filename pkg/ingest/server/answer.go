package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// maxSmallBody bounds the bodies of everything but reports.
const maxSmallBody = 1 << 20

// decodeSmall reads a small JSON body into v; an empty one leaves it as it is.
func (h *handler) decodeSmall(w http.ResponseWriter, r *http.Request, t *Tenant, limit int64, v any) error {
	body, held, err := h.body(w, r, t, limit)
	if err != nil {
		return err
	}
	defer held.release()
	if len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, v); err != nil {
		return &badRequest{err}
	}
	return nil
}

func (h *handler) check(w http.ResponseWriter, r *http.Request, t *Tenant) {
	var rq wire.CheckRequest
	err := h.decodeSmall(w, r, t, int64(h.limits.MaxFingerprints)*128+1024, &rq)
	if err == nil && len(rq.Fingerprints) > h.limits.MaxFingerprints {
		err = &limitError{"fingerprints", h.limits.MaxFingerprints, len(rq.Fingerprints)}
	}
	var out *ingest.CheckResult
	if err == nil {
		out, err = t.Check(r.Context(), rq.Fingerprints)
	}
	if err != nil {
		h.fail(w, r, t, err)
		return
	}
	reply(w, http.StatusOK, out)
}

func (h *handler) heartbeat(w http.ResponseWriter, r *http.Request, t *Tenant) {
	var hb struct{} // any object; nothing of it is kept
	if err := h.decodeSmall(w, r, t, maxSmallBody, &hb); err != nil {
		h.fail(w, r, t, err)
		return
	}
	reply(w, http.StatusOK, map[string]string{
		"status": "ok", "agent_id": wire.Clip(r.Header.Get(wire.HeaderAgent), 256), "tenant_id": t.name})
}

func (h *handler) findings(w http.ResponseWriter, r *http.Request, t *Tenant) {
	q, err := parseQuery(r.URL.Query())
	if err != nil {
		h.fail(w, r, t, &badRequest{fmt.Errorf("findings: %w", err)})
		return
	}
	page, err := t.Findings(r.Context(), q)
	if err != nil {
		h.fail(w, r, t, err)
		return
	}
	if page.Next != "" {
		w.Header().Set(wire.HeaderCursor, page.Next)
	}
	reply(w, http.StatusOK, page.Findings)
}

func (h *handler) stats(w http.ResponseWriter, r *http.Request, t *Tenant) {
	get := t.Stats
	if slices.Contains(h.admins, t.name) {
		get = h.store.Stats
	}
	s, err := get(r.Context())
	if err != nil {
		h.fail(w, r, t, err)
		return
	}
	reply(w, http.StatusOK, s)
}

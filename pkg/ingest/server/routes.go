package server

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// endpoint serves one request of a known tenant. The handler answers the error that it returns.
type endpoint func(w http.ResponseWriter, r *http.Request, t *Tenant) error

// routes accepts the spellings of all versions of the platform.
func (h *handler) routes() {
	h.route("POST", h.ingest, ingest.DefaultIngestPath, ingest.DefaultIngestPath+"/ris")
	h.route("POST", h.chunk, ingest.DefaultChunkPath)
	h.route("POST", h.check, ingest.DefaultCheckPath, "/api/v1/ingest/check", "/ingest/check")
	h.route("POST", h.heartbeat, ingest.DefaultHeartbeatPath, "/api/v1/ingest/heartbeat")
	h.route("GET", h.agents, ingest.DefaultHeartbeatPath)
	h.route("GET", h.findings, ingest.DefaultFindingsPath)
	h.route("GET", h.stats, ingest.DefaultStatsPath)
	h.route("GET", h.listCommands, ingest.DefaultCommandsPath)
	h.route("POST", h.addCommand, ingest.DefaultCommandsPath)
	h.route("POST", h.commandState, ingest.DefaultCommandsPath+"/{id}/{state}")
	h.route("POST", h.audit, ingest.DefaultAuditPath)
	h.route("GET", h.auditLines, ingest.DefaultAuditPath)
	h.mux.HandleFunc("GET /healthz", h.healthz)
	h.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h.refuse(w, r, "", refusal{status: http.StatusNotFound, code: ingest.CodeNotFound}, "no such path or method")
	})
}

func (h *handler) route(method string, serve endpoint, paths ...string) {
	for _, path := range paths {
		h.mux.HandleFunc(method+" "+path, func(w http.ResponseWriter, r *http.Request) {
			name, ok := h.tenant(r)
			if !ok {
				w.Header().Set("WWW-Authenticate", "Bearer")
				h.refuse(w, r, "", refusal{status: http.StatusUnauthorized, code: ingest.CodeUnauthorized}, "token is missing or unknown")
				return
			}
			t := h.store.Tenant(name)
			if err := serve(w, r, t); err != nil {
				h.fail(w, r, t, err)
			}
		})
	}
}

// reply writes v as JSON.
func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // possible only for a stored value that is not valid JSON
		http.Error(w, "answer is not valid JSON", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // a client that has gone misses the answer alone
}

// replyOr replies with v unless err is set, which it returns.
func replyOr(w http.ResponseWriter, v any, err error) error {
	if err == nil {
		reply(w, http.StatusOK, v)
	}
	return err
}

// maxSmallBody bounds the bodies of all requests except reports, in bytes.
const maxSmallBody = 1 << 20

// decodeSmall reads a small JSON body into v. An empty body leaves v unchanged.
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

// number returns a parameter that is a whole number, or 0 if it is missing.
func number(q url.Values, name string) (uint64, error) {
	text := q.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, badRequestf("%s %q: want a number", name, wire.Clip(text, 32))
	}
	return n, nil
}

func (h *handler) check(w http.ResponseWriter, r *http.Request, t *Tenant) error {
	var rq wire.CheckRequest
	if err := h.decodeSmall(w, r, t, int64(h.limits.MaxFingerprints)*128+1024, &rq); err != nil {
		return err
	}
	if n := len(rq.Fingerprints); n > h.limits.MaxFingerprints {
		return &limitError{"fingerprints", h.limits.MaxFingerprints, n}
	}
	out, err := t.Check(r.Context(), rq.Fingerprints)
	return replyOr(w, out, err)
}

func (h *handler) findings(w http.ResponseWriter, r *http.Request, t *Tenant) error {
	q, err := parseQuery(r.URL.Query())
	if err != nil {
		return badRequestf("findings: %w", err)
	}
	page, err := t.Findings(r.Context(), q)
	if err != nil {
		return err
	}
	if page.Next != "" {
		w.Header().Set(wire.HeaderCursor, page.Next)
	}
	return replyOr(w, page.Findings, nil)
}

func (h *handler) stats(w http.ResponseWriter, r *http.Request, t *Tenant) error {
	get := t.Stats
	if slices.Contains(h.admins, t.name) {
		get = h.store.Stats
	}
	s, err := get(r.Context())
	return replyOr(w, s, err)
}

func (h *handler) healthz(w http.ResponseWriter, r *http.Request) {
	if err := h.store.db.Read.PingContext(r.Context()); err != nil {
		h.refuse(w, r, "", refusal{status: http.StatusServiceUnavailable, code: ingest.CodeUnavailable}, "store does not answer")
		return
	}
	reply(w, http.StatusOK, map[string]string{"status": "ok"})
}

// The default and the maximum number of commands in one answer.
const (
	defaultCommandLimit = 10
	maxCommandLimit     = 100
)

// listCommands answers with a bare array, as clients of the platform expect.
func (h *handler) listCommands(w http.ResponseWriter, r *http.Request, t *Tenant) error {
	limit, err := number(r.URL.Query(), "limit")
	if err != nil {
		return err
	}
	if r.URL.Query().Get("limit") == "" {
		limit = defaultCommandLimit
	}
	cmds, err := t.Commands(r.Context(), int(min(limit, maxCommandLimit)))
	return replyOr(w, cmds, err)
}

func (h *handler) addCommand(w http.ResponseWriter, r *http.Request, t *Tenant) error {
	var cmd ingest.Command
	if err := h.decodeSmall(w, r, t, maxSmallBody, &cmd); err != nil {
		return err
	}
	added, err := t.AddCommand(cmd)
	if err == nil {
		reply(w, http.StatusCreated, added)
	}
	return err
}

// commandState moves a command to another state. Both spellings of the acknowledgement are accepted.
func (h *handler) commandState(w http.ResponseWriter, r *http.Request, t *Tenant) error {
	id := r.PathValue("id")
	state, known := map[string]string{"ack": ingest.CommandAcknowledged, "acknowledge": ingest.CommandAcknowledged,
		"start": ingest.CommandRunning, "complete": ingest.CommandCompleted, "fail": ingest.CommandFailed}[r.PathValue("state")]
	if !known {
		return &notFoundError{"no such state of a command"}
	}
	var body json.RawMessage
	if err := h.decodeSmall(w, r, t, maxSmallBody, &body); err != nil {
		return err
	}
	err := t.setCommand(id, state, agentOf(r), body)
	return replyOr(w, map[string]string{"id": id, "status": state}, err)
}

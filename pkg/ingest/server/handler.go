package server

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// HandlerConfig is what a handler serves, and to whom. Store and Tokens are required.
type HandlerConfig struct {
	Store  *Store            // stays the caller's: close it after the server is shut down
	Tokens map[string]string // bearer token → tenant; see LoadTokens
	Admins []string          // tenants whose statistics are those of all; default none
	Limits Limits
	Sink   event.Sink // is told of refused requests and complete reports; nil: nobody
}

// Validate returns every problem of the configuration in one error. It never names a token.
func (c HandlerConfig) Validate() error {
	var errs []error
	if c.Store == nil {
		errs = append(errs, errors.New("store is nil"))
	}
	if len(c.Tokens) == 0 {
		errs = append(errs, errors.New("tokens: there is none, so nobody could send"))
	}
	for token, tenant := range c.Tokens {
		if err := checkToken(token); err != nil {
			errs = append(errs, fmt.Errorf("tokens: one of tenant %q %w", wire.Clip(tenant, 64), err))
		}
		if err := checkTenant(tenant); err != nil {
			errs = append(errs, err)
		}
	}
	for _, tenant := range c.Admins {
		if err := checkTenant(tenant); err != nil {
			errs = append(errs, fmt.Errorf("admins: %w", err))
		}
	}
	return errors.Join(append(errs, c.Limits.Validate())...)
}

// NewHandler returns the receiver's side of the protocol. It starts no goroutine; the handler's memory is bounded
// by cfg.Limits, whatever is sent.
func NewHandler(cfg HandlerConfig) (http.Handler, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	lim := cfg.Limits.withDefaults()
	h := &handler{
		store: cfg.Store, limits: lim, sink: event.OrNop(cfg.Sink), admins: slices.Clone(cfg.Admins), mux: http.NewServeMux(),
		admission: admission{max: lim.MaxInFlightBytes, requests: lim.MaxRequests, decoders: lim.MaxDecoders, tenants: map[string]*share{}},
		tokens:    map[[32]byte]grant{},
	}
	_, _ = rand.Read(h.salt[:]) // crypto/rand.Read never returns an error
	for token, tenant := range cfg.Tokens {
		sum := h.hash(token)
		h.tokens[sum] = grant{sum, tenant}
	}
	h.routes()
	return h, nil
}

type handler struct {
	store     *Store
	limits    Limits
	sink      event.Sink
	admins    []string
	mux       *http.ServeMux
	admission admission
	salt      [32]byte
	tokens    map[[32]byte]grant
}

type grant struct {
	sum    [32]byte
	tenant string
}

// routes accepts the spellings of the platform's versions side by side.
func (h *handler) routes() {
	h.route("POST", h.ingest, ingest.DefaultIngestPath, ingest.DefaultIngestPath+"/ris")
	h.route("POST", h.chunk, ingest.DefaultChunkPath)
	h.route("POST", h.check, ingest.DefaultCheckPath, "/api/v1/ingest/check", "/ingest/check")
	h.route("POST", h.heartbeat, ingest.DefaultHeartbeatPath, "/api/v1/ingest/heartbeat")
	h.route("GET", h.findings, ingest.DefaultFindingsPath)
	h.route("GET", h.stats, ingest.DefaultStatsPath)
	h.route("GET", h.listCommands, ingest.DefaultCommandsPath)
	h.route("POST", h.addCommand, ingest.DefaultCommandsPath)
	h.route("POST", h.commandState, ingest.DefaultCommandsPath+"/{id}/{state}")
	h.route("POST", h.audit, ingest.DefaultAuditPath)
	h.route("GET", h.auditLines, ingest.DefaultAuditPath)
	h.mux.HandleFunc("GET /healthz", h.healthz)
	h.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h.refuse(w, r, "", http.StatusNotFound, ingest.CodeNotFound, "no such path or method", nil)
	})
}

// answerer serves one request of a known tenant.
type answerer func(w http.ResponseWriter, r *http.Request, t *Tenant)

func (h *handler) route(method string, f answerer, paths ...string) {
	for _, path := range paths {
		h.mux.HandleFunc(method+" "+path, func(w http.ResponseWriter, r *http.Request) {
			if tenant, ok := h.tenant(r); ok {
				f(w, r, h.store.Tenant(tenant))
				return
			}
			w.Header().Set("WWW-Authenticate", "Bearer")
			h.refuse(w, r, "", http.StatusUnauthorized, ingest.CodeUnauthorized, "token is missing or unknown", nil)
		})
	}
}

// ServeHTTP serves one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	h.mux.ServeHTTP(w, r)
}

// tenant finds whom the token belongs to. What is looked up is a salted hash, so the time it takes says nothing
// of the tokens.
func (h *handler) tenant(r *http.Request) (string, bool) {
	token := r.Header.Get("X-API-Key")
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	sum := h.hash(token)
	g, ok := h.tokens[sum]
	return g.tenant, ok && subtle.ConstantTimeCompare(g.sum[:], sum[:]) == 1
}

func (h *handler) hash(token string) [32]byte {
	return sha256.Sum256(append(h.salt[:len(h.salt):len(h.salt)], token...))
}

func (h *handler) healthz(w http.ResponseWriter, r *http.Request) {
	if err := h.store.read.PingContext(r.Context()); err != nil {
		h.refuse(w, r, "", http.StatusServiceUnavailable, ingest.CodeUnavailable, "store does not answer", nil)
		return
	}
	reply(w, http.StatusOK, map[string]string{"status": "ok"})
}

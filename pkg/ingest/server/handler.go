package server

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// HandlerConfig describes a handler. Store and Tokens are required.
type HandlerConfig struct {
	// Store holds what the handler accepts. The caller closes it after the server is shut down.
	Store *Store

	// Tokens maps bearer tokens to tenants; see LoadTokens.
	Tokens map[string]string

	// Admins are the tenants whose statistics cover all tenants. Defaults to none.
	Admins []string

	// Limits bounds the requests.
	Limits Limits

	// Sink records refused requests and complete reports. May be nil.
	Sink event.Sink
}

// Validate returns every problem of the configuration in one error, which contains no token.
func (c HandlerConfig) Validate() error {
	v := config.New("ingest")
	if c.Store == nil {
		v.Addf("store", "is nil")
	}
	if len(c.Tokens) == 0 {
		v.Addf("tokens", "there is no token, every request would be refused")
	}
	for token, tenant := range c.Tokens {
		if err := checkToken(token); err != nil {
			v.Addf("tokens", "a token of tenant %q %v", wire.Clip(tenant, 64), err)
		}
		if err := checkTenant(tenant); err != nil {
			v.Addf("tokens", "%v", err)
		}
	}
	for _, tenant := range c.Admins {
		if err := checkTenant(tenant); err != nil {
			v.Addf("admins", "%v", err)
		}
	}
	v.Nest("limits", c.Limits.Validate())
	return v.Err()
}

type handler struct {
	store     *Store
	limits    Limits
	sink      event.Sink
	admins    []string
	mux       *http.ServeMux
	admission admission
	salt      [32]byte
	tokens    map[[32]byte]string // tenants by the salted hash of their tokens
}

// NewHandler returns a handler that serves the ingest protocol. It starts no goroutine. Its memory is bounded by
// cfg.Limits, whatever clients send.
func NewHandler(cfg HandlerConfig) (http.Handler, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	lim := cfg.Limits.withDefaults()
	h := &handler{
		store: cfg.Store, limits: lim, sink: event.OrNop(cfg.Sink), admins: slices.Clone(cfg.Admins), mux: http.NewServeMux(),
		admission: admission{max: lim.MaxInFlightBytes, requests: lim.MaxRequests, decoders: lim.MaxDecoders, tenants: map[string]*usage{}},
		tokens:    map[[32]byte]string{},
	}
	_, _ = rand.Read(h.salt[:]) // crypto/rand.Read never returns an error
	for token, tenant := range cfg.Tokens {
		h.tokens[h.hash(token)] = tenant
	}
	h.routes()
	return h, nil
}

// ServeHTTP serves one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	h.mux.ServeHTTP(w, r)
}

// tenant returns the tenant of the request's token. It looks up a salted hash, so that its duration reveals nothing about
// the tokens.
func (h *handler) tenant(r *http.Request) (string, bool) {
	token := r.Header.Get("X-API-Key")
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	tenant, ok := h.tokens[h.hash(token)]
	return tenant, ok
}

func (h *handler) hash(token string) [32]byte {
	return sha256.Sum256(append(h.salt[:len(h.salt):len(h.salt)], token...))
}

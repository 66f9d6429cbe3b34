// Package ingesttest runs a real ingest server on a loopback port for tests: a handler over a store in a directory of the test,
// with faults on request and a record of all requests.
//
//	srv := ingesttest.New(t)
//	srv.Fail(ingesttest.Fault{Status: 503, RetryAfter: "1"}) // applies to the next request only
//	client := srv.Client()
package ingesttest

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/server"
)

// The token and tenant that every Server knows.
const (
	Token  = "test-token-of-the-default-tenant"
	Tenant = "tenant"
)

// Option changes a Server before it starts.
type Option func(*server.HandlerConfig)

// WithTenant adds a tenant with a token of its own.
func WithTenant(token, tenant string) Option {
	return func(c *server.HandlerConfig) { c.Tokens[token] = tenant }
}

// WithConfig changes the configuration of the handler, for example its limits.
func WithConfig(change func(*server.HandlerConfig)) Option { return change }

// Server is a running ingest server. It ends with the test.
type Server struct {
	URL   string        // http://127.0.0.1:port
	Store *server.Store // the store of the server

	t      testing.TB
	script script
	log    recorder
	quit   chan struct{}
}

// New starts a server that is stopped, and its store closed, when the test ends.
func New(t testing.TB, opts ...Option) *Server {
	t.Helper()
	store, err := server.OpenStore(server.StoreConfig{Path: filepath.Join(t.TempDir(), "ingest.db")})
	if err != nil {
		t.Fatalf("ingesttest: %v", err)
	}
	cfg := server.HandlerConfig{Store: store, Tokens: map[string]string{Token: Tenant}}
	for _, o := range opts {
		o(&cfg)
	}
	h, err := server.NewHandler(cfg)
	if err != nil {
		_ = store.Close() // the first error is the one to report
		t.Fatalf("ingesttest: %v", err)
	}
	s := &Server{Store: store, t: t, quit: make(chan struct{})}
	web := httptest.NewUnstartedServer(s.log.wrap(s.faulty(h)))
	web.Config = server.NewServer(web.Config.Handler)
	web.Start()
	s.URL = web.URL
	t.Cleanup(func() {
		close(s.quit) // ends hanging requests
		web.CloseClientConnections()
		web.Close()
		if err := store.Close(); err != nil {
			t.Errorf("ingesttest: %v", err)
		}
	})
	return s
}

// Client returns a client for the default tenant.
func (s *Server) Client() *ingest.Client { return s.ClientWith(ingest.ClientConfig{Token: Token}) }

// ClientWith returns a client of this server, whose URL replaces cfg.BaseURL. The client is closed when the test ends.
func (s *Server) ClientWith(cfg ingest.ClientConfig) *ingest.Client {
	s.t.Helper()
	cfg.BaseURL = s.URL
	c, err := ingest.NewClient(cfg)
	if err != nil {
		s.t.Fatalf("ingesttest: %v", err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// Findings returns all visible findings of a tenant. An empty name means the default tenant.
func (s *Server) Findings(tenant string) []ingest.Finding {
	s.t.Helper()
	if tenant == "" {
		tenant = Tenant
	}
	var out []ingest.Finding
	for f, err := range ingest.All(context.Background(), s.Store.Tenant(tenant), ingest.Query{Limit: ingest.MaxPageLimit}) {
		if err != nil {
			s.t.Fatalf("ingesttest: %v", err)
		}
		out = append(out, f)
	}
	return out
}

// Stats returns the numbers of a tenant. An empty name means the default tenant.
func (s *Server) Stats(tenant string) ingest.Stats {
	s.t.Helper()
	if tenant == "" {
		tenant = Tenant
	}
	st, err := s.Store.Tenant(tenant).Stats(context.Background())
	if err != nil {
		s.t.Fatalf("ingesttest: %v", err)
	}
	return *st
}

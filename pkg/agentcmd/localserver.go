package agentcmd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest/server"
)

// localTenant owns what the agent's own ingest server takes.
const localTenant = "local"

// localServer is an ingest server on a loopback port, so that an agent works before there is a platform.
type localServer struct {
	url, token string
	store      *server.Store
	cancel     context.CancelFunc
	done       chan error
}

// storePath is the ingest store in a data directory.
func storePath(data string) string { return filepath.Join(data, "ingest.db") }

func startLocalServer(c *Config, sink event.Sink) (*localServer, error) {
	store, err := server.OpenStore(server.StoreConfig{Path: storePath(c.Ingest.Data), IncompleteAge: c.Ingest.IncompleteAge, Sink: sink})
	if err != nil {
		return nil, err
	}
	s := &localServer{store: store, token: rand.Text(), done: make(chan error, 1)}
	tokens := map[string]string{s.token: localTenant}
	handler, err := server.NewHandler(server.HandlerConfig{Store: store, Tokens: tokens, Limits: c.Ingest.Limits, Sink: sink})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	s.url = "http://" + l.Addr().String()
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	go func() { s.done <- server.Serve(ctx, l, handler) }()
	return s, nil
}

func (s *localServer) stop() error {
	s.cancel()
	return errors.Join(<-s.done, s.store.Close())
}

// serveIngest serves the reference ingest server until ctx ends, and says where on the first line of out.
func (a *cli) serveIngest(ctx context.Context, c *Config) error {
	if c.Ingest.Tokens == "" {
		return usage("ingest: --tokens FILE is needed: one 'token tenant' pair a line")
	}
	tokens, err := server.LoadTokens(c.Ingest.Tokens)
	if err != nil {
		return &exitError{exitConfig, err}
	}
	store, err := server.OpenStore(server.StoreConfig{Path: storePath(c.Ingest.Data), IncompleteAge: c.Ingest.IncompleteAge,
		Sink: event.SinkFunc(func(e event.Event) { a.say("ingest: %s (%s): %v", e.Message, e.Error, e.Details["aside"]) })})
	if err != nil {
		return err
	}
	var handler http.Handler
	handler, err = server.NewHandler(server.HandlerConfig{Store: store, Tokens: tokens, Admins: c.Ingest.Admins, Limits: c.Ingest.Limits})
	if err != nil {
		return errors.Join(&exitError{exitConfig, err}, store.Close())
	}
	l, err := net.Listen("tcp", c.Ingest.Listen)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	fmt.Fprintf(a.out, "http://%s\n", l.Addr())
	return errors.Join(server.Serve(ctx, l, handler), store.Close())
}

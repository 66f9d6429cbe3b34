package agentcmd

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"path/filepath"

	"github.com/rediverio/sdk/pkg/agentcmd/internal/control"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest/server"
)

// localTenant owns the reports that the agent's own ingest server accepts.
const localTenant = "local"

// localServer is an ingest server on a loopback port, with which an agent works without a platform.
type localServer struct {
	url, token string
	store      *server.Store
	http       *control.Server
}

// storePath returns the path of the ingest store in a data directory.
func storePath(data string) string { return filepath.Join(data, "ingest.db") }

// listenIngest opens the ingest store and a listener, and returns the handler between them.
func listenIngest(c *ingestSettings, addr string, hc server.HandlerConfig, sink event.Sink) (_ net.Listener, _ http.Handler, _ *server.Store, err error) {
	hc.Store, err = server.OpenStore(server.StoreConfig{Path: storePath(c.Data), IncompleteAge: c.IncompleteAge, Sink: sink})
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, hc.Store.Close())
		}
	}()
	hc.Limits = c.Limits
	handler, err := server.NewHandler(hc)
	if err != nil {
		return nil, nil, nil, &ExitError{ExitConfig, err}
	}
	l, err := net.Listen("tcp", addr)
	return l, handler, hc.Store, err
}

func startLocalServer(c *settings, sink event.Sink) (*localServer, error) {
	token := rand.Text()
	l, handler, store, err := listenIngest(&c.Ingest, "127.0.0.1:0", server.HandlerConfig{Tokens: map[string]string{token: localTenant}, Sink: sink}, sink)
	if err != nil {
		return nil, err
	}
	return &localServer{"http://" + l.Addr().String(), token, store, control.Serve(l, handler)}, nil
}

func (s *localServer) stop() error { return errors.Join(s.http.Stop(), s.store.Close()) }

// serveIngest serves the reference ingest server until ctx ends. It prints its URL on the first line of standard output.
func (a *cli) serveIngest(ctx context.Context, c *ingestSettings) error {
	if c.Tokens == "" {
		return Usagef("ingest: --tokens FILE is needed: one 'token tenant' pair on each line")
	}
	tokens, err := server.LoadTokens(c.Tokens)
	if err != nil {
		return &ExitError{ExitConfig, err}
	}
	sink := event.SinkFunc(func(e event.Event) { a.say("ingest: %s (%s): %v", e.Message, e.Error, e.Details["renamed_to"]) })
	l, handler, store, err := listenIngest(c, c.Listen, server.HandlerConfig{Tokens: tokens, Admins: c.Admins}, sink)
	if err != nil {
		return err
	}
	a.printf("http://%s\n", l.Addr())
	return errors.Join(server.Serve(ctx, l, handler), store.Close())
}

package crashtest

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/ingest/server"
)

// TestServerProcess is the server's main function, in a process of its own. Elsewhere it does nothing.
func TestServerProcess(t *testing.T) {
	text := os.Getenv(serverEnv)
	if text == "" {
		t.Skip("run by the tests that need a server")
	}
	o := orders[serverLife](text)
	if o.Step != "" {
		newFate(o.Step, o.Nth).watch(o.DB, serverSteps[o.Step])
	}
	store, err := server.OpenStore(server.StoreConfig{Path: o.DB})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the cleanup of the server
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	options := []ingesttest.Option{ingesttest.WithConfig(func(c *server.HandlerConfig) { c.Store = store })}
	for t, n := range tenants {
		options = append(options, ingesttest.WithTenant(token(t), n))
	}
	srv := ingesttest.New(t, options...)
	srv.Fail(o.Faults...)
	tell("listening %s", srv.URL)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it, or is gone
}

// relay is the address that a victim sends to, whichever server is behind it. Without one it hangs up.
type relay struct {
	listener net.Listener
	upstream atomic.Pointer[string]
	all      sync.WaitGroup
}

func newRelay(t *testing.T) *relay {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l}
	r.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.all.Go(func() { r.serve(c) })
		}
	})
	return r
}

func (r *relay) url() string { return "http://" + r.listener.Addr().String() }

func (r *relay) serve(down net.Conn) {
	defer down.Close()
	addr := r.upstream.Load()
	if addr == nil {
		return
	}
	up, err := net.Dial("tcp", *addr)
	if err != nil {
		return // the server is dead
	}
	defer up.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(down, up) // ends when either end does
		_ = down.Close()
	})
	_, _ = io.Copy(up, down)
	_ = up.Close()
	back.Wait()
}

// close ends it. Both ends of every connection must be gone.
func (r *relay) close() {
	_ = r.listener.Close()
	r.all.Wait()
}

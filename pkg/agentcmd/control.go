package agentcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/ingest/server"
)

// control is the HTTP door of a running daemon: its status and its queue. It is reached over a unix socket that only
// its owner may open, or a loopback port.
type control struct {
	cancel context.CancelFunc
	done   chan error
	addr   string // where it listens: the socket's path, or host:port with the port that was taken
	socket string // to be removed; empty for TCP
}

// maxSocketPath is the least bound of the systems this runs on: macOS has room for 104 bytes, the last of them 0.
const maxSocketPath = 103

// isSocket says whether an address is a path.
func isSocket(addr string) bool { return strings.ContainsAny(addr, `/\`) }

// serveStatus opens the door.
func (a *cli) serveStatus(e *engine) (*control, error) {
	l, socket, err := listenControl(a.cfg.Agent.StatusAddr)
	if err != nil {
		return nil, fmt.Errorf("agent.status_addr: %w", err)
	}
	started := time.Now()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status.json", func(w http.ResponseWriter, r *http.Request) {
		s, err := e.status(r.Context(), started)
		answer(w, s, err)
	})
	queueRoutes(mux, &storeQueue{e.store})
	ctx, cancel := context.WithCancel(context.Background())
	c := &control{cancel: cancel, done: make(chan error, 1), addr: l.Addr().String(), socket: socket}
	go func() { c.done <- server.Serve(ctx, l, onlyLocal(mux)) }()
	return c, nil
}

func listenControl(addr string) (l net.Listener, socket string, err error) {
	if !isSocket(addr) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, "", err
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, "", fmt.Errorf("%s: %w", addr, errNotLoopback)
		}
		l, err = net.Listen("tcp", addr)
		return l, "", err
	}
	if len(addr) > maxSocketPath {
		return nil, "", fmt.Errorf("%s: %d bytes, a unix socket's path has at most %d; set a shorter one", addr, len(addr), maxSocketPath)
	}
	if err := os.MkdirAll(filepath.Dir(addr), 0o700); err != nil {
		return nil, "", err
	}
	// The store's lock says that no other agent of this state directory runs: a socket that is there is a dead one's.
	if st, err := os.Lstat(addr); err == nil {
		if st.Mode().Type() != os.ModeSocket {
			return nil, "", fmt.Errorf("%s is there and no socket", addr)
		}
		if err := os.Remove(addr); err != nil {
			return nil, "", err
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, "", err
	}
	if l, err = net.Listen("unix", addr); err != nil {
		return nil, "", err
	}
	return l, addr, os.Chmod(addr, 0o600)
}

// onlyLocal refuses requests that a web page could have a browser send: those have an Origin, or a foreign Host.
func onlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		ip := net.ParseIP(host)
		if r.Header.Get("Origin") != "" || host != "agent" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (c *control) stop() error {
	c.cancel()
	err := <-c.done
	if c.socket != "" {
		if e := os.Remove(c.socket); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// answer writes v, or the error with its status.
func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		status := http.StatusInternalServerError
		if errors.Is(err, chunk.ErrNotFound) {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
		v = map[string]string{"error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(v) // a client that is gone needs no answer
}

// controlClient asks a running daemon.
type controlClient struct {
	base string
	http http.Client
}

func newControlClient(addr string) *controlClient {
	c := &controlClient{base: "http://" + addr}
	if isSocket(addr) {
		c.base = "http://agent"
		c.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", addr)
		}}
	}
	return c
}

func (c *controlClient) get(ctx context.Context, path string, into any) error {
	return c.do(ctx, http.MethodGet, path, into)
}

func (c *controlClient) do(ctx context.Context, method, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return c.stream(ctx, method, path, func(body io.Reader) error {
		const most = 64 << 20
		b, err := io.ReadAll(io.LimitReader(body, most))
		if err != nil {
			return err
		}
		return json.Unmarshal(b, into)
	})
}

// stream hands the body of a good answer to read.
func (c *controlClient) stream(ctx context.Context, method, path string, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, nil)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 == 2 {
		return read(res.Body)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return err
	}
	var e struct{ Error string }
	if json.Unmarshal(b, &e) != nil || e.Error == "" {
		e.Error = string(bytes.TrimSpace(b[:min(len(b), 200)]))
	}
	if res.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%s: %w", e.Error, chunk.ErrNotFound)
	}
	return fmt.Errorf("%s: %s", res.Status, e.Error)
}

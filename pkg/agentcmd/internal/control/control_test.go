package control_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/agentcmd/internal/control"
	"github.com/rediverio/sdk/pkg/chunk"
)

func routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /good", control.Answer(func(*http.Request) (any, error) { return map[string]int{"n": 7}, nil }))
	mux.HandleFunc("POST /missing", control.Answer(func(*http.Request) (any, error) { return nil, fmt.Errorf("report x: %w", chunk.ErrNotFound) }))
	mux.HandleFunc("GET /text", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("line\n")) })
	mux.HandleFunc("GET /cut", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half a li"))
		panic(http.ErrAbortHandler)
	})
	return mux
}

// exchange calls every route of the server through c.
func exchange(t *testing.T, c *control.Client) {
	t.Helper()
	var v struct{ N int }
	if err := c.Get(t.Context(), "/good", &v); err != nil || v.N != 7 {
		t.Errorf("Get = %v, %+v; want 7", err, v)
	}
	if err := c.Post(t.Context(), "/missing", &v); err == nil || !strings.HasPrefix(err.Error(), "report x: ") {
		t.Errorf("Post of a missing report = %v, want the error of the server", err)
	}
	if err := c.Get(t.Context(), "/nothing", &v); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("Get of an unknown path = %v, want a 404", err)
	}
	var b bytes.Buffer
	if err := c.Copy(t.Context(), "/text", &b); err != nil || b.String() != "line\n" {
		t.Errorf("Copy = %v, %q; want the line", err, b.String())
	}
	if err := c.Copy(t.Context(), "/cut", &b); err == nil {
		t.Error("Copy of an answer that was cut = nil, want an error")
	}
}

func TestClientOverASocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "ctl") // short: the path of a unix socket has at most 103 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "sub", "agent.sock")
	for range 2 { // the second time over a socket that was left behind
		l, err := control.Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		s := control.Serve(l, control.OnlyLocal(routes()))
		exchange(t, control.Dial(path))
		if err := s.Stop(); err != nil {
			t.Errorf("Stop = %v", err)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket after Stop: %v, want that it does not exist", err)
	}
}

func TestClientWithinTheProcess(t *testing.T) {
	c, stop := control.Local(routes())
	exchange(t, c)
	if err := stop(); err != nil {
		t.Errorf("stop = %v", err)
	}
	if err := c.Get(t.Context(), "/good", new(any)); err == nil {
		t.Error("Get after stop = nil, want an error")
	}
}

// A status_addr that names a file by mistake must not cost that file, and none may be reached from another host.
func TestListenRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{path, "0.0.0.0:0", "192.0.2.1:80", "nonsense", "/" + strings.Repeat("x", 103)} {
		if l, err := control.Listen(addr); err == nil {
			_ = l.Close()
			t.Errorf("Listen(%q) = nil, want an error", addr)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "data" {
		t.Errorf("the file holds %q, %v; want data", b, err)
	}
}

// A web page can have a browser send requests to a loopback port. They are refused.
func TestOnlyLocalRefusesRequestsOfWebPages(t *testing.T) {
	for _, c := range []struct {
		host, origin string
		want         int
	}{
		{"127.0.0.1:4711", "", http.StatusOK},
		{"localhost", "", http.StatusOK},
		{"[::1]:4711", "", http.StatusOK},
		{"agent", "", http.StatusOK},
		{"evil.example", "", http.StatusForbidden},
		{"127.0.0.1:4711", "https://evil.example", http.StatusForbidden},
	} {
		r := httptest.NewRequest(http.MethodGet, "/good", nil)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		control.OnlyLocal(routes()).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("Host %q, Origin %q: status %d, want %d", c.host, c.origin, w.Code, c.want)
		}
	}
}

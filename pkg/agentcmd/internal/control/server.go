// Package control is the HTTP interface of a running agent, reached over a unix socket that only its owner may open, or
// over a loopback port.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/ingest/server"
)

// maxSocketPath is the smallest limit of all systems: macOS has room for 104 bytes, the last of them 0.
const maxSocketPath = 103

// isSocket reports whether an address is the path of a unix socket.
func isSocket(addr string) bool { return strings.ContainsAny(addr, `/\`) }

// Listen listens on the path of a unix socket, whose directory is created, or on a loopback host:port. An old socket at
// the path is removed: the caller holds the lock of the state directory, so that no agent listens on it.
func Listen(addr string) (net.Listener, error) {
	if !isSocket(addr) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		if !loopback(host) {
			return nil, fmt.Errorf("%s: want the path of a unix socket, or a loopback host:port", addr)
		}
		return net.Listen("tcp", addr)
	}
	if len(addr) > maxSocketPath {
		return nil, fmt.Errorf("%s: %d bytes, the path of a unix socket has at most %d; set a shorter one", addr, len(addr), maxSocketPath)
	}
	if err := os.MkdirAll(filepath.Dir(addr), 0o700); err != nil {
		return nil, err
	}
	if st, err := os.Lstat(addr); err == nil {
		if st.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("%s exists and is not a socket", addr)
		}
		if err := os.Remove(addr); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", addr) // which removes the file when it is closed
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(addr, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Server serves HTTP in the background until Stop.
type Server struct {
	cancel context.CancelFunc
	done   chan error
}

// Serve starts serving handler on l.
func Serve(l net.Listener, handler http.Handler) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{cancel, make(chan error, 1)}
	go func() { s.done <- server.Serve(ctx, l, handler) }()
	return s
}

// Stop lets running requests end and closes the listener. Call it once.
func (s *Server) Stop() error {
	s.cancel()
	return <-s.done
}

// OnlyLocal refuses requests that a web page could have a browser send: those with an Origin or a foreign Host.
func OnlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if r.Header.Get("Origin") != "" || host != socketHost && !loopback(host) {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Answer writes the result of f as JSON.
func Answer(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r)
		if err != nil {
			Fail(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // a client that has gone needs no answer
	}
}

// Fail writes an error as Client reads it.
func Fail(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	status := http.StatusInternalServerError
	if errors.Is(err, chunk.ErrNotFound) {
		status = http.StatusNotFound
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}

package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// DefaultShutdownTimeout is how long Serve waits for running requests to end.
const DefaultShutdownTimeout = 10 * time.Second

// NewServer returns an http.Server for h with timeouts and a header limit that suit the protocol. The caller may configure TLS
// before it uses the server.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		// ReadTimeout and WriteTimeout are not set: the handler sets a deadline for each body, and the last part of a large
		// report may take long.
	}
}

// Serve serves h on l until ctx ends. Then it accepts no more requests, waits up to DefaultShutdownTimeout for running requests and
// closes the connections that are left, in which case it returns an error. It closes l. The Store can be closed after Serve
// has returned.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := NewServer(h)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), DefaultShutdownTimeout)
	defer cancel()
	err := srv.Shutdown(stop)
	if err != nil {
		err = errors.Join(fmt.Errorf("shut down %s: %w", l.Addr(), err), srv.Close())
	}
	<-served
	return err
}

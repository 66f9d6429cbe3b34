package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// DefaultShutdownTimeout is how long Serve lets running requests end.
const DefaultShutdownTimeout = 10 * time.Second

// NewServer returns an http.Server for h whose timeouts and header bound suit the protocol. A caller may set TLS
// and more before it is used.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		// No ReadTimeout and WriteTimeout: the handler sets a deadline for each body, and a large report's last
		// part may take its time.
	}
}

// Serve serves h on l until ctx ends, then takes no more requests, lets the running ones end within
// DefaultShutdownTimeout, cuts what is left, and returns nil for an orderly end. It closes l. Close the Store
// after it.
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

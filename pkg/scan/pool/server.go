package pool

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
)

// Server is an instance that a caller has. Its methods may be called concurrently.
type Server struct {
	pool     *Pool
	i        *instance
	early    bool // it is still being started: nobody else looks after it
	released atomic.Bool
}

// PID is the process ID of the server, for logs.
func (s *Server) PID() int { return s.i.process.PID() }

// Call sends a request and waits for the answer, which is decoded into result unless that is nil. The error is a
// *ResponseError when the server answers with one; an *Error when the server ended, by itself or because it did not answer
// within Config.CallTimeout; that of ctx when it is done first; ErrReleased.
//
// A server whose answer nobody waits for any more, since ctx was done, is not given to anybody else before it has answered.
func (s *Server) Call(ctx context.Context, method string, params, result any) error {
	if s.released.Load() {
		return ErrReleased
	}
	if !s.early {
		s.pool.called(s.i)
	}
	raw, err := s.call(ctx, method, params)
	if !s.early {
		s.pool.answered(err)
	}
	if err != nil || result == nil {
		return err
	}
	return json.Unmarshal(raw, result)
}

func (s *Server) call(ctx context.Context, method string, params any) (json.RawMessage, error) {
	inner := ctx
	if d := s.pool.cfg.CallTimeout; d > 0 {
		var cancel context.CancelFunc
		inner, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	raw, err := s.i.conn.call(inner, method, params)
	if err != nil && inner.Err() != nil && ctx.Err() == nil { // it was not the caller's doing
		s.i.conn.fail(Timeout, context.DeadlineExceeded)
		err = errConn
	}
	if errors.Is(err, errConn) {
		return nil, s.i.failure(method, !s.early)
	}
	return raw, err
}

// Notify sends a notification, which has no answer.
func (s *Server) Notify(ctx context.Context, method string, params any) error {
	if s.released.Load() {
		return ErrReleased
	}
	if err := s.i.conn.notify(ctx, method, params); !errors.Is(err, errConn) {
		return err
	}
	return s.i.failure(method, !s.early)
}

// Release gives the instance back. It may be called again.
func (s *Server) Release() {
	if !s.released.Swap(true) {
		s.pool.release(s.i)
	}
}

// Discard gives the instance back to be stopped, for a caller that has reason to distrust it.
func (s *Server) Discard() {
	if s.released.Swap(true) {
		return
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.pool.retireLocked(s.i, Asked)
}

package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// admission bounds the memory of all requests together, and shares it among the tenants: what one of them sends
// leaves room for the others.
type admission struct {
	max      int64
	requests int // of one tenant

	mu       sync.Mutex
	inFlight int64 // bytes
	tenants  map[string]*share
	decoders int // free
	waiting  fair[chan struct{}]
}

// share is what one tenant has in flight.
type share struct {
	bytes    int64
	requests int
}

// busyError says that there is no room now: 429, and soon there is again.
type busyError struct{ reason string }

func (e *busyError) Error() string { return e.reason }

// room is what one request holds.
type room struct {
	a      *admission
	tenant string
	bytes  int64
}

// reserve makes room for a request of n bytes. A tenant with nothing in flight gets what is free, any other only half
// of what the other tenants leave, so that there is some for one more.
func (a *admission) reserve(tenant string, n int64) (*room, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.tenants[tenant]
	if s == nil {
		s = &share{}
	}
	switch {
	case s.requests >= a.requests:
		return nil, &busyError{fmt.Sprintf("%d requests of this tenant are under way", s.requests)}
	case a.inFlight+n > a.max, s.bytes > 0 && s.bytes+n > (a.max-a.inFlight+s.bytes)/2:
		return nil, &busyError{fmt.Sprintf("too many bytes in flight: %d of this tenant, %d of all", s.bytes, a.inFlight)}
	}
	a.tenants[tenant] = s
	s.requests++
	s.bytes += n
	a.inFlight += n
	return &room{a, tenant, n}, nil
}

// resize changes what is held to n bytes, where there is room for it.
func (r *room) resize(n int64) bool {
	r.a.mu.Lock()
	defer r.a.mu.Unlock()
	more := n - r.bytes
	if more > 0 && r.a.inFlight+more > r.a.max {
		return false
	}
	r.a.inFlight += more
	r.a.tenants[r.tenant].bytes += more
	r.bytes = n
	return true
}

func (r *room) release() {
	r.resize(0)
	r.a.mu.Lock()
	defer r.a.mu.Unlock()
	s := r.a.tenants[r.tenant]
	if s.requests--; s.requests == 0 {
		delete(r.a.tenants, r.tenant)
	}
}

// decoder waits for one of the decoders, which are given to the tenants in turn. done gives it back, and may be
// called twice.
func (a *admission) decoder(ctx context.Context, tenant string) (done func(), err error) {
	turn := make(chan struct{})
	a.mu.Lock()
	a.waiting.push(tenant, turn)
	a.next()
	a.mu.Unlock()
	done = sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.decoders++
		a.next()
	})
	select {
	case <-turn:
		return done, nil
	case <-ctx.Done():
	}
	a.mu.Lock()
	gone := a.waiting.remove(tenant, func(c chan struct{}) bool { return c == turn })
	a.mu.Unlock()
	if !gone { // its turn came meanwhile
		done()
	}
	return nil, ctx.Err()
}

// next hands out what is free; the caller holds mu.
func (a *admission) next() {
	for a.decoders > 0 {
		turn, ok := a.waiting.pop()
		if !ok {
			return
		}
		a.decoders--
		close(turn)
	}
}

// sizeError says that a body is over its bound.
type sizeError struct{ max int64 }

func (e *sizeError) Error() string { return fmt.Sprintf("body is over the bound of %d bytes", e.max) }

// errCut says that the body ended early or came too slowly. The sender did nothing wrong that a repeat would not mend.
var errCut = errors.New("body did not arrive whole")

// body reads a request's body whole, before any decoder is taken, so that a slow sender holds memory but blocks
// nobody. The caller releases the memory.
func (h *handler) body(w http.ResponseWriter, r *http.Request, t *Tenant, limit int64) (body []byte, held *room, err error) {
	if r.ContentLength > limit {
		return nil, nil, &sizeError{limit}
	}
	n := r.ContentLength
	if n < 0 {
		n = limit
	}
	if held, err = h.admission.reserve(t.name, n); err != nil {
		return nil, nil, err
	}
	taken := held
	defer func() {
		if err != nil {
			taken.release()
		}
	}()
	// A server without deadlines (a test's recorder) returns an error that changes nothing.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.limits.BodyTimeout))
	body, err = readBody(io.LimitReader(r.Body, limit+1), r.ContentLength)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errCut, err)
	}
	if int64(len(body)) > limit {
		return nil, nil, &sizeError{limit}
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, held, nil
}

// readBody trusts the announced length only for the first allocation, and for little.
func readBody(r io.Reader, announced int64) ([]byte, error) {
	buf := make([]byte, 0, min(max(announced, 0)+1, 512<<10))
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

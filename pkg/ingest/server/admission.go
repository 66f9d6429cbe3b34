package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/fair"
)

// admission bounds the memory of all requests and divides it between the tenants, so that a tenant that sends much leaves
// room for the others.
type admission struct {
	max      int64 // bytes of all tenants
	requests int   // maximum of one tenant

	mu       sync.Mutex // guards the following
	inFlight int64      // bytes
	tenants  map[string]*usage
	decoders int // free decoders
	waiting  fair.Queue[chan struct{}]
}

// usage is what one tenant has in flight.
type usage struct {
	bytes    int64
	requests int
}

// busyError is returned while there is no room for a request.
type busyError struct{ reason string }

func (e *busyError) Error() string { return e.reason }

// reservation is the memory that one request holds.
type reservation struct {
	a      *admission
	tenant string
	bytes  int64
}

// reserve reserves n bytes for a request. A tenant with nothing in flight gets what is free. Any other gets at most half of
// what the other tenants leave, so that there is room for one more tenant.
func (a *admission) reserve(tenant string, n int64) (*reservation, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.tenants[tenant]
	if u == nil {
		u = &usage{}
	}
	switch {
	case u.requests >= a.requests:
		return nil, &busyError{fmt.Sprintf("%d requests of this tenant are being served", u.requests)}
	case a.inFlight+n > a.max, u.bytes > 0 && u.bytes+n > (a.max-a.inFlight+u.bytes)/2:
		return nil, &busyError{fmt.Sprintf("too many bytes in flight: %d of this tenant, %d of all tenants", u.bytes, a.inFlight)}
	}
	a.tenants[tenant] = u
	u.requests++
	u.bytes += n
	a.inFlight += n
	return &reservation{a, tenant, n}, nil
}

// resize changes the reservation to n bytes and reports whether there was room for it.
func (r *reservation) resize(n int64) bool {
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

// release ends the reservation. It must be called once.
func (r *reservation) release() {
	r.resize(0)
	r.a.mu.Lock()
	defer r.a.mu.Unlock()
	u := r.a.tenants[r.tenant]
	if u.requests--; u.requests == 0 {
		delete(r.a.tenants, r.tenant)
	}
}

// decoder waits for a decoder. Tenants take turns. The caller returns the decoder by done, which may be called more than once.
func (a *admission) decoder(ctx context.Context, tenant string) (done func(), err error) {
	turn := make(chan struct{})
	a.mu.Lock()
	a.waiting.Push(tenant, turn)
	a.assignLocked()
	a.mu.Unlock()
	done = sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.decoders++
		a.assignLocked()
	})
	select {
	case <-turn:
		return done, nil
	case <-ctx.Done():
	}
	a.mu.Lock()
	removed := a.waiting.Remove(tenant, func(c chan struct{}) bool { return c == turn })
	a.mu.Unlock()
	if !removed { // the decoder was assigned meanwhile
		done()
	}
	return nil, ctx.Err()
}

// assignLocked assigns the free decoders. The caller holds mu.
func (a *admission) assignLocked() {
	for a.decoders > 0 {
		turn, ok := a.waiting.Pop()
		if !ok {
			return
		}
		a.decoders--
		close(turn)
	}
}

// errIncompleteBody is returned if a body ends early or arrives too slowly. The client may send the request again.
var errIncompleteBody = errors.New("body is incomplete")

// body reads the whole body of a request before a decoder is used, so that a slow client holds memory but delays no other
// client. The caller releases the memory.
func (h *handler) body(w http.ResponseWriter, r *http.Request, t *Tenant, limit int64) (body []byte, held *reservation, err error) {
	tooLarge := func(n int64) error { return &limitError{"bytes of the body", int(limit), int(n)} }
	n := r.ContentLength
	if n > limit {
		return nil, nil, tooLarge(n)
	}
	if n < 0 {
		n = limit
	}
	if held, err = h.admission.reserve(t.name, n); err != nil {
		return nil, nil, err
	}
	// A server without deadlines (the recorder of a test) returns an error, which has no effect.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.limits.BodyTimeout))
	body, err = readBody(io.LimitReader(r.Body, limit+1), r.ContentLength)
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", errIncompleteBody, err)
	case int64(len(body)) > limit:
		err = tooLarge(int64(len(body)))
	}
	if err != nil {
		held.release()
		return nil, nil, err
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, held, nil
}

// readBody uses the announced length for a small first allocation only, since the client may never send that much.
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

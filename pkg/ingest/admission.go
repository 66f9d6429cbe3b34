package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// admission bounds the memory of all requests together: bytes of bodies, and documents being decoded.
type admission struct {
	mu       sync.Mutex
	inFlight int64
	max      int64
	decoders chan struct{}
}

// errBusy says that the bound of bytes in flight is reached: 503, and soon there is room again.
var errBusy = errors.New("too many bytes in flight")

func (a *admission) reserve(n int64) (release func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inFlight+n > a.max {
		return nil, errBusy
	}
	a.inFlight += n
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.inFlight -= n
	}, nil
}

func (a *admission) decoder(ctx context.Context) (release func(), err error) {
	select {
	case a.decoders <- struct{}{}:
		return func() { <-a.decoders }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// sizeError says that a body is over its bound.
type sizeError struct{ max int64 }

func (e *sizeError) Error() string { return fmt.Sprintf("body is over the bound of %d bytes", e.max) }

// errCut says that the body ended early or came too slowly. The sender did nothing wrong that a repeat would not mend.
var errCut = errors.New("body did not arrive whole")

// body reads a request's body whole, before any decoder is taken, so that a slow sender holds memory but blocks
// nobody. The caller releases the memory.
func (h *handler) body(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, release func(), err error) {
	if r.ContentLength > limit {
		return nil, nil, &sizeError{limit}
	}
	n := r.ContentLength
	if n < 0 {
		n = limit
	}
	free, err := h.admission.reserve(n)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			free()
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
	return body, free, nil
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

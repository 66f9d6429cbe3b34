package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/limits"
)

// hosts is a base whose hosts a test turns off and on. While blocked is set, a request waits for it or its context.
type hosts struct {
	mu      sync.Mutex
	down    map[string]bool
	status  int
	asked   int
	blocked chan struct{}
}

var errRefused = errors.New("connection refused")

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	h.asked++
	down, status, blocked := h.down[r.URL.Host], h.status, h.blocked
	h.mu.Unlock()
	if blocked != nil {
		select {
		case <-blocked:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if r.Body != nil {
		defer r.Body.Close()
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
	}
	if down {
		return nil, errRefused
	}
	return &http.Response{StatusCode: max(status, 200), Body: http.NoBody, Request: r}, nil
}

func (h *hosts) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

func (h *hosts) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked
}

func get(ctx context.Context, rt http.RoundTripper, url string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	resp, err := rt.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// broken returns a transport over h, whose circuit to host a is open: threshold 3, pauses 1s, 2s, 4s, 4s.
func broken(t *testing.T, h *hosts) *RoundTripper {
	t.Helper()
	rt := newTransport(limits.NetworkLimits{CircuitBreakerEnabled: true, CircuitBreakerThreshold: 3, CircuitBreakerTimeout: 4 * time.Second}, h)
	h.down = map[string]bool{"a": true}
	for range 3 {
		if err := get(t.Context(), rt, "http://a/"); !errors.Is(err, errRefused) {
			t.Fatalf("before the threshold: %v", err)
		}
	}
	wantOpen(t, get(t.Context(), rt, "http://a/"), time.Second)
	if h.asked != 3 {
		t.Fatalf("%d requests were sent, want 3", h.asked)
	}
	return rt
}

func wantOpen(t *testing.T, err error, after time.Duration) {
	t.Helper()
	var open *CircuitOpenError
	if !errors.As(err, &open) || open.Host != "http://a" || open.RetryAfter() != after || !errors.Is(open.Last, errRefused) {
		t.Errorf("%v: want an open circuit for %s", err, after)
	}
}

func TestCircuitOpensProbesAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hosts{}
		rt := broken(t, h)
		if err := get(t.Context(), rt, "http://b/"); err != nil {
			t.Error("another host:", err)
		}
		asked := h.count()
		for _, pause := range []time.Duration{1, 2, 4, 4} {
			wantOpen(t, get(t.Context(), rt, "http://a/"), pause*time.Second)
			time.Sleep(pause * time.Second)
			if err := get(t.Context(), rt, "http://a/"); !errors.Is(err, errRefused) {
				t.Errorf("the probe after %d seconds: %v", pause, err)
			}
			if asked++; h.count() != asked {
				t.Errorf("%d requests were sent, want %d: one probe a pause", h.count(), asked)
			}
		}
		time.Sleep(4 * time.Second)
		h.set(func() { h.down["a"], h.status = false, 500 }) // a 500 is an answer
		for range 9 {
			if err := get(t.Context(), rt, "http://a/"); err != nil {
				t.Error("after the host is back:", err)
			}
		}
		if n := len(rt.breaker.hosts); n != 0 {
			t.Errorf("%d hosts are remembered", n)
		}
		h.set(func() { h.down["a"] = true })
		for range 3 { // the count begins anew, and so do the pauses
			if err := get(t.Context(), rt, "http://a/"); !errors.Is(err, errRefused) {
				t.Error(err)
			}
		}
		wantOpen(t, get(t.Context(), rt, "http://a/"), time.Second)
	})
}

// Only one request probes, and an abandoned probe lets the next one through.
func TestOneProbeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hosts{}
		rt := broken(t, h)
		time.Sleep(time.Second)
		h.set(func() { h.down["a"], h.blocked = false, make(chan struct{}) })
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error)
		go func() { first <- get(ctx, rt, "http://a/") }()
		synctest.Wait()
		wantOpen(t, get(t.Context(), rt, "http://a/"), time.Second)
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		go func() { first <- get(t.Context(), rt, "http://a/") }()
		synctest.Wait()
		if h.count() != 5 {
			t.Errorf("%d requests were sent, want 5", h.count())
		}
		close(h.blocked)
		if err := <-first; err != nil {
			t.Error("the second probe:", err)
		}
		if err := get(t.Context(), rt, "http://a/"); err != nil {
			t.Error("closed again:", err)
		}
	})
}

// A probe that never gets a connection makes room for the next.
func TestProbeWithoutAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hosts{down: map[string]bool{"a": true}}
		l := limits.NetworkLimits{CircuitBreakerEnabled: true, CircuitBreakerThreshold: 1, MaxTotalConnections: 1}
		rt := newTransport(l, h)
		get(t.Context(), rt, "http://a/")
		time.Sleep(time.Second)
		h.set(func() { h.down["a"], h.blocked = false, make(chan struct{}) })
		busy := make(chan error)
		go func() { busy <- get(t.Context(), rt, "http://b/") }()
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := get(short, rt, "http://a/"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("no connection is free:", err)
		}
		close(h.blocked)
		if err := <-busy; err != nil {
			t.Error(err)
		}
		if err := get(t.Context(), rt, "http://a/"); err != nil {
			t.Error("the next probe:", err)
		}
	})
}

// Requests that were in progress when the circuit opened do not extend the pause.
func TestLateFailuresAddNoPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hosts{down: map[string]bool{"a": true}, blocked: make(chan struct{})}
		rt := newTransport(limits.NetworkLimits{CircuitBreakerEnabled: true}, h)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { get(t.Context(), rt, "http://a/") })
		}
		synctest.Wait()
		close(h.blocked)
		wg.Wait()
		wantOpen(t, get(t.Context(), rt, "http://a/"), time.Second)
	})
}

// A caller that cancels, a body that cannot be read and an answer of any status do not count against the host.
func TestWhatDoesNotOpenTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hosts{status: 503}
		rt := newTransport(limits.NetworkLimits{CircuitBreakerEnabled: true, CircuitBreakerThreshold: 1}, h)
		dead, cancel := context.WithCancel(t.Context())
		cancel()
		for range 5 {
			if err := get(t.Context(), rt, "http://a/"); err != nil {
				t.Error("status 503:", err)
			}
			h.set(func() { h.blocked = make(chan struct{}) })
			if err := get(dead, rt, "http://a/"); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			short, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := get(short, rt, "http://a/"); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			cancel()
			h.set(func() { h.blocked = nil })
			req, _ := http.NewRequestWithContext(t.Context(), "POST", "http://a/", iotest.ErrReader(errors.New("file is gone")))
			if _, err := rt.RoundTrip(req); err == nil || !strings.Contains(err.Error(), "file is gone") {
				t.Error(err)
			}
		}
		if err := get(t.Context(), rt, "http://a/"); err != nil {
			t.Error("after all that:", err)
		}
	})
}

// A server that takes requests and never answers is silent too, and the body of a refused request is closed.
func TestSilentServerOpensTheCircuit(t *testing.T) {
	gone := make(chan struct{})
	l := limits.NetworkLimits{ReadTimeout: 20 * time.Millisecond, CircuitBreakerEnabled: true, CircuitBreakerThreshold: 2, CircuitBreakerTimeout: time.Hour}
	c, url := client(t, l, func(w http.ResponseWriter, r *http.Request) { <-gone })
	defer close(gone)
	for range 2 {
		_, err := c.Get(url)
		wantLimit(t, err, "read_timeout")
	}
	body := &closer{Reader: bytes.NewReader([]byte("x"))}
	_, err := c.Post(url, "x/y", body)
	var open *CircuitOpenError
	if !errors.As(err, &open) || open.Failures != 2 || open.RetryAfter() <= 0 {
		t.Errorf("%v: want an open circuit", err)
	}
	wantLimit(t, open.Last, "read_timeout")
	if !body.closed {
		t.Error("the body of a request that was not sent is not closed")
	}
}

type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

func TestBreakerForgetsRatherThanGrows(t *testing.T) {
	h := &hosts{down: map[string]bool{}}
	rt := newTransport(limits.NetworkLimits{CircuitBreakerEnabled: true, MaxTotalConnections: 1}, h)
	for i := range 3 * maxCircuits {
		host := fmt.Sprint("host", i)
		h.down[host] = true
		get(t.Context(), rt, "http://"+host+"/")
	}
	if n := len(rt.breaker.hosts); n != maxCircuits {
		t.Errorf("%d hosts are remembered, want %d", n, maxCircuits)
	}
}

// Hosts that fail and recover at random under many callers: no caller is stuck, and all circuits are closed at the end.
func TestBreakerUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hosts{down: map[string]bool{}}
		rt := newTransport(limits.NetworkLimits{CircuitBreakerEnabled: true, MaxTotalConnections: 4}, h)
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				for n := range 200 {
					get(t.Context(), rt, "http://"+string("ab"[(i+n)%2])+"/")
					time.Sleep(time.Duration(50+i) * time.Millisecond)
				}
			})
		}
		for n := range 20 {
			time.Sleep(300 * time.Millisecond)
			h.set(func() { h.down["a"], h.down["b"] = n%3 == 0, n%5 == 0 })
		}
		wg.Wait()
		h.set(func() { clear(h.down) })
		time.Sleep(limits.DefaultCircuitBreakerTimeout)
		for _, url := range []string{"http://a/", "http://b/"} {
			if err := get(t.Context(), rt, url); err != nil {
				t.Error(err)
			}
		}
		if n := len(rt.breaker.hosts); n != 0 {
			t.Errorf("%d hosts are remembered", n)
		}
	})
}

// How do I learn when to retry a request to a host that does not answer?
func ExampleCircuitOpenError() {
	srv := httptest.NewServer(nil)
	srv.Close() // nothing listens at this address now
	l := limits.DefaultNetworkLimits()
	l.CircuitBreakerThreshold = 1
	c := &http.Client{Transport: newTransport(l, nil)}
	c.Get(srv.URL)
	_, err := c.Get(srv.URL)
	var open *CircuitOpenError
	if errors.As(err, &open) {
		fmt.Println(open.Failures, "failed; again in", open.RetryAfter().Round(time.Second))
	}
	// Output: 1 failed; again in 1s
}

func TestWithoutBreakerSharesTheOtherLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hosts{}
		rt := broken(t, h)
		plain := rt.WithoutBreaker()
		if err := get(t.Context(), plain, "http://a/"); !errors.Is(err, errRefused) {
			t.Errorf("request without breaker = %v, want %v", err, errRefused)
		}
		wantOpen(t, get(t.Context(), rt, "http://a/"), time.Second)
		before := usageOf(t, rt.Usage(), "network.max_total_connections")
		plain.inUse <- struct{}{}
		if after := usageOf(t, rt.Usage(), "network.max_total_connections"); after.Used != before.Used+1 {
			t.Errorf("connections in use = %v, want %v", after.Used, before.Used+1)
		}
		<-plain.inUse
	})
}

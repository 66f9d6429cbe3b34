package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/limits"
)

// newTransport returns New(l, base) for limits that are valid.
func newTransport(l limits.NetworkLimits, base http.RoundTripper) *RoundTripper {
	return testkit.Must(New(l, base))
}

// client returns a client over a real transport, and a server with the handler.
func client(t *testing.T, l limits.NetworkLimits, h http.HandlerFunc) (*http.Client, string) {
	t.Helper()
	srv := httptest.NewServer(h)
	c := &http.Client{Transport: newTransport(l, nil)}
	t.Cleanup(func() {
		c.CloseIdleConnections()
		srv.CloseClientConnections()
		srv.Close()
	})
	return c, srv.URL
}

func wantLimit(t *testing.T, err error, field string) {
	t.Helper()
	var limit *limits.LimitError
	if !errors.As(err, &limit) || limit.Field != "limits.network."+field {
		t.Errorf("error = %v, want the limit %s", err, field)
	}
}

func TestTransportPasses(t *testing.T) {
	c, url := client(t, limits.DefaultNetworkLimits(), func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	for range 3 {
		resp, err := c.Post(url, "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		resp.Body.Close()
		if string(b) != "hello" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	}
}

func TestMaxTotalConnections(t *testing.T) {
	var now, peak atomic.Int64
	c, url := client(t, limits.NetworkLimits{MaxTotalConnections: 2}, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
		}
		time.Sleep(2 * time.Millisecond)
		now.Add(-1)
	})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			resp, err := c.Get(url)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	wg.Wait()
	if peak.Load() > 2 {
		t.Errorf("%d requests at a time, want at most 2", peak.Load())
	}

	// An open body occupies its connection; a request that waits for one honours its context.
	a, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
	if _, err := c.Do(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("third at once: %v", err)
	}
	a.Body.Close()
	b.Body.Close()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestMaxResponseSize(t *testing.T) {
	c, url := client(t, limits.NetworkLimits{MaxResponseSizeMB: 1}, func(w http.ResponseWriter, r *http.Request) {
		size := 1 << 20
		if r.URL.Path == "/over" {
			size++
		}
		if r.Method == "HEAD" {
			w.Header().Set("Content-Length", "9999999")
			return
		}
		if r.URL.Query().Get("chunked") != "" {
			w.(http.Flusher).Flush()
		} else {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
		w.Write(make([]byte, size))
	})
	for _, q := range []string{"", "?chunked=1"} {
		resp, err := c.Get(url + "/just" + q)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); n != 1<<20 || err != nil {
			t.Errorf("%q: %d bytes, %v", q, n, err)
		}
		resp.Body.Close()
	}
	_, err := c.Get(url + "/over")
	wantLimit(t, err, "max_response_size_mb")
	resp, err := c.Get(url + "/over?chunked=1")
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	wantLimit(t, err, "max_response_size_mb")
	if n != 1<<20 {
		t.Errorf("%d bytes passed", n)
	}
	if n, err := resp.Body.Read(make([]byte, 10)); n != 0 || err == nil {
		t.Errorf("after the limit: %d bytes, %v", n, err)
	}
	resp.Body.Close()
	if resp, err := c.Head(url); err != nil {
		t.Error("HEAD has no body to be too large:", err)
	} else {
		resp.Body.Close()
	}
}

// pieces is a response body of n bytes, one at a time with a pause before each. Then it blocks until its request ends.
type pieces struct {
	ctx   context.Context
	pause time.Duration
	n     int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.n == 0 {
		<-p.ctx.Done()
		return 0, p.ctx.Err()
	}
	p.n--
	time.Sleep(p.pause)
	b[0] = 'x'
	return 1, nil
}

func (p *pieces) Close() error { return nil }

func (p pieces) RoundTrip(r *http.Request) (*http.Response, error) {
	p.ctx = r.Context()
	return &http.Response{StatusCode: 200, Body: &p, ContentLength: -1, Request: r}, nil
}

// The read timeout bounds each pause of a body, not the whole body and not the pauses of its reader.
func TestReadTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := newTransport(limits.NetworkLimits{ReadTimeout: 50 * time.Millisecond}, pieces{pause: 40 * time.Millisecond, n: 10})
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://x/", nil)
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(80 * time.Millisecond)
		b, err := io.ReadAll(resp.Body)
		wantLimit(t, err, "read_timeout")
		if len(b) != 10 {
			t.Errorf("read %d bytes before the timeout, want 10", len(b))
		}
		resp.Body.Close()
	})
}

func TestWriteTimeout(t *testing.T) {
	gone := make(chan struct{})
	c, url := client(t, limits.NetworkLimits{WriteTimeout: 50 * time.Millisecond, MaxBandwidthMbps: -1}, func(w http.ResponseWriter, r *http.Request) {
		<-gone // reads nothing
	})
	defer close(gone)
	_, err := c.Post(url, "x/y", bytes.NewReader(make([]byte, 32<<20)))
	wantLimit(t, err, "write_timeout")
}

func TestConnectionTimeout(t *testing.T) {
	base := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	c := &http.Client{Transport: newTransport(limits.NetworkLimits{ConnectionTimeout: 20 * time.Millisecond}, base)}
	_, err := c.Get("http://127.0.0.1:1/")
	wantLimit(t, err, "connection_timeout")
}

// answer is a base that answers at once, for tests in virtual time.
type answer struct{ n atomic.Int64 }

func (a *answer) RoundTrip(r *http.Request) (*http.Response, error) {
	a.n.Add(1)
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	return &http.Response{StatusCode: 200, Request: r}, nil
}

func TestRates(t *testing.T) {
	for _, c := range []struct {
		l      limits.NetworkLimits
		window time.Duration
		most   int64
	}{
		{limits.NetworkLimits{EnableRateLimit: true, MaxRequestsPerSecond: 20}, time.Second, 20},
		{limits.NetworkLimits{EnableRateLimit: true, RateLimitMaxRequests: 30, RateLimitWindow: time.Minute}, time.Minute, 30},
		{limits.NetworkLimits{EnableRateLimit: true, RateLimitMaxRequests: 1, RateLimitWindow: time.Minute}, time.Minute, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			base := &answer{}
			rt := newTransport(c.l, base)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					req, _ := http.NewRequestWithContext(ctx, "GET", "http://x/", nil)
					resp, err := rt.RoundTrip(req)
					if err != nil {
						return
					}
					resp.Body.Close()
				}
			})
			time.Sleep(time.Millisecond) // off the edges of the windows
			before := base.n.Load()
			for i := range 5 {
				time.Sleep(c.window)
				n := base.n.Load()
				if n-before > c.most || n == before {
					t.Errorf("window %d: %d requests, at most %d", i, n-before, c.most)
				}
				before = n
			}
			cancel()
			wg.Wait()
		})
	}
}

func TestBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := newTransport(limits.NetworkLimits{MaxBandwidthMbps: 8}, &answer{}) // 1 MB a second
		begin := time.Now()
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "http://x/", bytes.NewReader(make([]byte, 10e6)))
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if took := time.Since(begin); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("10 MB at 8 Mbps took %v", took)
		}
	})
}

func BenchmarkTransport(b *testing.B) {
	l := limits.DefaultNetworkLimits()
	l.EnableRateLimit = false
	rt := newTransport(l, &answer{})
	b.ReportAllocs()
	for b.Loop() {
		req, _ := http.NewRequest("GET", "http://x/", nil)
		resp, err := rt.RoundTrip(req)
		if err != nil {
			b.Fatal(err)
		}
		resp.Body.Close()
	}
}

func TestIdleTimeout(t *testing.T) {
	closed := make(chan struct{}, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			closed <- struct{}{}
		}
	}
	srv.Start()
	defer srv.Close()
	resp, err := (&http.Client{Transport: newTransport(limits.NetworkLimits{IdleTimeout: 10 * time.Millisecond}, nil)}).Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	select {
	case <-closed:
	case <-time.After(2 * time.Minute):
		t.Error("the idle connection was not closed, want it closed after 10ms")
	}
}

package transport

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/rediverio/sdk/pkg/limits"
)

// RoundTripper applies network limits to the requests that pass through it. Use New. Its methods may be called
// concurrently.
type RoundTripper struct {
	cfg       limits.NetworkLimits
	base      http.RoundTripper
	inUse     chan struct{} // one token for each request in progress
	rates     []countedLimiter
	bandwidth *rate.Limiter // bytes; nil: unlimited
	breaker   *breaker      // nil: disabled
	traffic   *traffic
}

// countedLimiter is a rate limiter with the counters of its effect.
type countedLimiter struct {
	*rate.Limiter
	waited, refused *atomic.Int64
}

// New returns a RoundTripper that applies l to requests sent through base. If base is nil, New creates an http.Transport
// sized by l. The error is the one of l.Validate.
//
// A request that finds no free connection or no rate left waits as long as its context allows. As always with net/http,
// callers must close response bodies: an open body occupies its connection.
func New(l limits.NetworkLimits, base http.RoundTripper) (*RoundTripper, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	l = l.WithDefaults()
	t := &RoundTripper{cfg: l, base: base, inUse: make(chan struct{}, l.MaxTotalConnections), breaker: newBreaker(l), traffic: newTraffic(l)}
	if base == nil {
		t.base = newHTTPTransport(l)
	}
	if l.EnableRateLimit {
		t.rates = []countedLimiter{
			{windowLimiter(l.MaxRequestsPerSecond, time.Second), &t.traffic.secondWaited, &t.traffic.secondRefused},
			{windowLimiter(l.RateLimitMaxRequests, l.RateLimitWindow), &t.traffic.windowWaited, &t.traffic.windowRefused},
		}
	}
	if l.MaxBandwidthMbps > 0 {
		perSecond := l.MaxBandwidthMbps * 1e6 / 8
		t.bandwidth = rate.NewLimiter(rate.Limit(perSecond), max(int(perSecond/10), 512))
	}
	return t, nil
}

// newHTTPTransport keeps what http.DefaultTransport offers: proxies from the environment and HTTP/2.
func newHTTPTransport(l limits.NetworkLimits) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns = l.MaxTotalConnections
	t.MaxIdleConnsPerHost = l.MaxTotalConnections
	t.MaxConnsPerHost = l.MaxTotalConnections
	t.IdleConnTimeout = max(l.IdleTimeout, 0) // zero: unlimited
	return t
}

// windowLimiter returns a limiter that admits at most n events in any window of the given length: its burst and what it
// refills during one window add up to n.
func windowLimiter(n int, length time.Duration) *rate.Limiter {
	burst := max(n/10, 1)
	refill := max(n-burst, 1)
	return rate.NewLimiter(rate.Limit(float64(refill)/length.Seconds()), burst)
}

// WithoutBreaker returns a RoundTripper without a circuit breaker that shares all other limits and counters with t. It is
// for clients that pause by themselves while a host fails: see the package documentation.
func (t *RoundTripper) WithoutBreaker() *RoundTripper {
	plain := *t
	plain.breaker = nil
	return &plain
}

// RoundTrip implements http.RoundTripper.
func (t *RoundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	host := hostOf(req)
	probe, err := t.admit(req.Context(), host)
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	w := t.newWatch(req.Context())
	resp, err := t.base.RoundTrip(w.request(req))
	if err != nil {
		err = w.explain(err)
		t.breaker.report(host, probe, w.outcome(req.Context()), err)
		t.release(w)
		return nil, err
	}
	t.breaker.report(host, probe, answered, nil)
	w.answer()
	if resp.Body == nil { // legal for round trippers other than http.Transport
		resp.Body = http.NoBody
	}
	limit := int64(t.cfg.MaxResponseSizeMB) << 20
	if limit > 0 && resp.ContentLength > limit && req.Method != http.MethodHead {
		resp.Body.Close()
		t.release(w)
		return nil, t.tooLarge(resp.ContentLength)
	}
	resp.Body = &responseBody{t: t, w: w, from: resp.Body, limit: limit}
	return resp, nil
}

// CloseIdleConnections closes the idle connections of the base round tripper, for http.Client.CloseIdleConnections.
func (t *RoundTripper) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// admit asks the breaker, and waits for a connection and for the request rates. If it succeeds, the caller owes one report
// to the breaker and one release.
func (t *RoundTripper) admit(ctx context.Context, host string) (probe *circuit, err error) {
	probe, err = t.breaker.allow(host)
	if err != nil {
		t.traffic.circuitRefused.Add(1)
		return nil, err
	}
	if err = t.acquire(ctx); err != nil {
		t.breaker.report(host, probe, inconclusive, nil)
		return nil, err
	}
	return probe, nil
}

func (t *RoundTripper) acquire(ctx context.Context) error {
	if err := t.acquireConnection(ctx); err != nil {
		return err
	}
	for _, r := range t.rates {
		if r.Allow() {
			continue
		}
		r.waited.Add(1)
		if err := r.Wait(ctx); err != nil {
			r.refused.Add(1)
			<-t.inUse
			return fmt.Errorf("wait for the request rate: %w", err)
		}
	}
	t.traffic.requests.add(1)
	t.traffic.window.add(1)
	return nil
}

func (t *RoundTripper) acquireConnection(ctx context.Context) error {
	select {
	case t.inUse <- struct{}{}:
		return nil
	default:
	}
	t.traffic.connWaited.Add(1)
	select {
	case t.inUse <- struct{}{}:
		return nil
	case <-ctx.Done():
		t.traffic.connRefused.Add(1)
		return fmt.Errorf("wait for one of %d connections: %w", cap(t.inUse), context.Cause(ctx))
	}
}

func (t *RoundTripper) release(w *watch) {
	w.end()
	<-t.inUse
}

// throttle waits until n bytes may pass. It takes them from the limiter in pieces, since a limiter grants at most its burst.
func (t *RoundTripper) throttle(ctx context.Context, n int) error {
	t.traffic.bytes.add(n)
	for r := t.bandwidth; r != nil && n > 0; {
		piece := min(n, r.Burst())
		if !r.AllowN(time.Now(), piece) {
			t.traffic.bytesWaited.Add(1)
			if err := r.WaitN(ctx, piece); err != nil {
				return err
			}
		}
		n -= piece
	}
	return nil
}

func (t *RoundTripper) tooLarge(size int64) error {
	t.traffic.tooLarge.Add(1)
	return fmt.Errorf("response of %d bytes: %w", size, &limits.LimitError{
		Field: "limits.network.max_response_size_mb", Value: float64(size) / (1 << 20), Bound: float64(t.cfg.MaxResponseSizeMB),
	})
}

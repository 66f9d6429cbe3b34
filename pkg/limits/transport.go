package limits

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

// Transport returns a round tripper that holds l over base. With a nil base it makes an http.Transport of its
// own, sized by l. A request that finds no connection or no rate left waits, as long as its context allows. A
// timeout or a size that is exceeded fails the request, or the reading of its body, with an *ErrLimit. A request to a
// host that does not answer fails at once, with an *ErrCircuitOpen.
//
// As ever with net/http, response bodies must be closed: a body that is not keeps its connection.
func Transport(l NetworkLimits, base http.RoundTripper) http.RoundTripper {
	l = l.WithDefaults()
	t := &transport{limits: l, base: base, inUse: make(chan struct{}, max(l.MaxTotalConnections, 1)), breaker: newBreaker(l)}
	if base == nil {
		t.base = ownTransport(l)
	}
	if l.EnableRateLimit {
		t.rates = []*rate.Limiter{
			window(l.MaxRequestsPerSecond, time.Second),
			window(l.RateLimitMaxRequests, l.RateLimitWindow),
		}
	}
	if l.MaxBandwidthMbps > 0 {
		perSecond := l.MaxBandwidthMbps * 1e6 / 8
		t.bandwidth = rate.NewLimiter(rate.Limit(perSecond), max(int(perSecond/10), 512))
	}
	return t
}

// ownTransport keeps what the default transport of net/http has: proxies from the environment, HTTP/2.
func ownTransport(l NetworkLimits) *http.Transport {
	own := http.DefaultTransport.(*http.Transport).Clone()
	own.MaxIdleConns = l.MaxTotalConnections
	own.MaxIdleConnsPerHost = l.MaxTotalConnections
	own.MaxConnsPerHost = l.MaxTotalConnections
	own.IdleConnTimeout = max(l.IdleTimeout, 0) // zero: no end
	return own
}

// window returns a limiter that lets no more than n events begin in any window of that length: what it may let
// out at once and what it adds during a window are n together.
func window(n int, length time.Duration) *rate.Limiter {
	burst := max(n/10, 1)
	fill := max(n-burst, 1)
	return rate.NewLimiter(rate.Limit(float64(fill)/length.Seconds()), burst)
}

type transport struct {
	limits    NetworkLimits
	base      http.RoundTripper
	inUse     chan struct{} // one token for each request under way
	rates     []*rate.Limiter
	bandwidth *rate.Limiter // bytes; nil: no limit
	breaker   *breaker      // nil: none
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	host := hostOf(req)
	probe, err := t.breaker.enter(host)
	if err == nil {
		if err = t.enter(req.Context()); err != nil {
			t.breaker.leave(host, probe, nothing, nil)
		}
	}
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	w := newWatch(req.Context(), t.limits)
	resp, err := t.base.RoundTrip(w.request(req, t.bandwidth))
	if err != nil {
		err = w.explain(err)
		t.breaker.leave(host, probe, w.blame(req.Context()), err)
		t.leave(w)
		return nil, err
	}
	t.breaker.leave(host, probe, answered, nil)
	w.answer()
	if resp.Body == nil { // allowed of other round trippers than http.Transport
		resp.Body = http.NoBody
	}
	limit := int64(t.limits.MaxResponseSizeMB) << 20
	if limit > 0 && resp.ContentLength > limit && req.Method != http.MethodHead {
		resp.Body.Close()
		t.leave(w)
		return nil, t.tooLarge(resp.ContentLength)
	}
	resp.Body = &body{t: t, w: w, from: resp.Body, limit: limit}
	return resp, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the base.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// enter waits for a rate and a connection.
func (t *transport) enter(ctx context.Context) error {
	select {
	case t.inUse <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for one of %d connections: %w", cap(t.inUse), context.Cause(ctx))
	}
	for _, r := range t.rates {
		if err := r.Wait(ctx); err != nil {
			<-t.inUse
			return fmt.Errorf("wait for the request rate: %w", err)
		}
	}
	return nil
}

func (t *transport) leave(w *watch) {
	w.end()
	<-t.inUse
}

func (t *transport) tooLarge(size int64) error {
	return fmt.Errorf("response of %d bytes: %w", size, &ErrLimit{
		Field: "max_response_size_mb", Value: float64(size) / (1 << 20), Bound: float64(t.limits.MaxResponseSizeMB),
	})
}

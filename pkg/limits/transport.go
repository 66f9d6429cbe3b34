package limits

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Transport returns a round tripper that holds l over base. With a nil base it makes an http.Transport of its
// own, sized by l. A request that finds no connection or no rate left waits, as long as its context allows. A
// timeout or a size that is exceeded fails the request, or the reading of its body, with an *ErrLimit. A request to a
// host that does not answer fails at once, with an *ErrCircuitOpen.
//
// As ever with net/http, response bodies must be closed: a body that is not keeps its connection.
func Transport(l NetworkLimits, base http.RoundTripper) *RoundTripper {
	l = l.WithDefaults()
	t := &RoundTripper{limits: l, base: base, inUse: make(chan struct{}, max(l.MaxTotalConnections, 1)), breaker: newBreaker(l)}
	if base == nil {
		t.base = ownTransport(l)
	}
	t.traffic.requests.span, t.traffic.window.span, t.traffic.bytes.span = time.Second, l.RateLimitWindow, time.Second
	if l.EnableRateLimit {
		t.rates = []counted{
			{window(l.MaxRequestsPerSecond, time.Second), &t.traffic.secondWaited, &t.traffic.secondRefused},
			{window(l.RateLimitMaxRequests, l.RateLimitWindow), &t.traffic.windowWaited, &t.traffic.windowRefused},
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

// RoundTripper is what Transport returns. Its methods may be called concurrently.
type RoundTripper struct {
	limits    NetworkLimits
	base      http.RoundTripper
	inUse     chan struct{} // one token for each request under way
	rates     []counted
	bandwidth *rate.Limiter // bytes; nil: no limit
	breaker   *breaker      // nil: none
	traffic   traffic
}

// counted is a limiter with what it does.
type counted struct {
	*rate.Limiter
	waited, refused *atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (t *RoundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	host := hostOf(req)
	probe, err := t.breaker.enter(host)
	if err != nil {
		t.traffic.opened.Add(1)
	} else {
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
	w := t.newWatch(req.Context())
	resp, err := t.base.RoundTrip(w.request(req))
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
func (t *RoundTripper) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// enter waits for a rate and a connection.
func (t *RoundTripper) enter(ctx context.Context) error {
	if err := t.takeConnection(ctx); err != nil {
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

func (t *RoundTripper) takeConnection(ctx context.Context) error {
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

func (t *RoundTripper) leave(w *watch) {
	w.end()
	<-t.inUse
}

// spend waits until n bytes may pass. The limiter takes no more than its burst at once.
func (t *RoundTripper) spend(ctx context.Context, n int) error {
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
	return fmt.Errorf("response of %d bytes: %w", size, &ErrLimit{
		Field: "max_response_size_mb", Value: float64(size) / (1 << 20), Bound: float64(t.limits.MaxResponseSizeMB),
	})
}

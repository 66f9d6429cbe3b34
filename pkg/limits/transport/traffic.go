package transport

import (
	"sync/atomic"
	"time"

	"github.com/rediverio/sdk/pkg/limits"
)

// traffic counts the effects of the limits.
type traffic struct {
	requests, window, bytes meter

	connWaited, connRefused      atomic.Int64
	secondWaited, windowWaited   atomic.Int64
	secondRefused, windowRefused atomic.Int64
	bytesWaited                  atomic.Int64
	tooLarge, largest            atomic.Int64 // responses; bytes of the largest body
	connecting, reading, writing atomic.Int64 // timeouts
	circuitRefused               atomic.Int64 // requests not sent because a circuit was open
}

func newTraffic(l limits.NetworkLimits) *traffic {
	t := &traffic{}
	t.requests.span, t.window.span, t.bytes.span = time.Second, l.RateLimitWindow, time.Second
	return t
}

// Usage returns the state of each network limit.
func (t *RoundTripper) Usage() []limits.Usage {
	l, c := t.cfg, t.traffic
	perSecond, window, failures := -1.0, -1.0, -1.0
	if l.EnableRateLimit {
		perSecond, window = float64(l.MaxRequestsPerSecond), float64(l.RateLimitMaxRequests)
	}
	if l.CircuitBreakerEnabled {
		failures = float64(l.CircuitBreakerThreshold)
	}
	return []limits.Usage{
		{Name: "network.max_total_connections", Used: float64(len(t.inUse)), Limit: float64(l.MaxTotalConnections), Refused: c.connRefused.Load(), Waited: c.connWaited.Load()},
		{Name: "network.max_bandwidth_mbps", Used: c.bytes.last() * 8 / 1e6, Limit: l.MaxBandwidthMbps, Waited: c.bytesWaited.Load()},
		{Name: "network.max_response_size_mb", Used: float64(c.largest.Load()) / (1 << 20), Limit: float64(l.MaxResponseSizeMB), Refused: c.tooLarge.Load()},
		{Name: "network.connection_timeout", Limit: seconds(l.ConnectionTimeout), Refused: c.connecting.Load()},
		{Name: "network.read_timeout", Limit: seconds(l.ReadTimeout), Refused: c.reading.Load()},
		{Name: "network.write_timeout", Limit: seconds(l.WriteTimeout), Refused: c.writing.Load()},
		{Name: "network.max_requests_per_second", Used: c.requests.last(), Limit: perSecond, Refused: c.secondRefused.Load(), Waited: c.secondWaited.Load()},
		{Name: "network.rate_limit_max_requests", Used: c.window.last(), Limit: window, Refused: c.windowRefused.Load(), Waited: c.windowWaited.Load()},
		{Name: "network.circuit_breaker_threshold", Used: float64(t.breaker.maxFailures()), Limit: failures, Refused: c.circuitRefused.Load()},
	}
}

// seconds returns a timeout in seconds, or -1 if it is off.
func seconds(d time.Duration) float64 {
	if d == -1 {
		return -1
	}
	return d.Seconds()
}

// meter counts what passes in each span of time. Its methods may be called concurrently. Additions at the very end of a
// span may be missed.
type meter struct {
	span  time.Duration
	slots [2]struct{ number, sum atomic.Int64 } // the current span and the one before
}

func (m *meter) add(n int) {
	number := time.Now().UnixNano() / int64(m.span)
	s := &m.slots[number&1]
	if old := s.number.Load(); old != number && s.number.CompareAndSwap(old, number) {
		s.sum.Store(0)
	}
	s.sum.Add(int64(n))
}

// last returns the sum of the last complete span, or of the current one if that is already larger.
func (m *meter) last() float64 {
	number := time.Now().UnixNano() / int64(m.span)
	var most int64
	for i := range m.slots {
		if at := m.slots[i].number.Load(); at == number || at == number-1 {
			most = max(most, m.slots[i].sum.Load())
		}
	}
	return float64(most)
}

// raise sets a to v if v is larger.
func raise(a *atomic.Int64, v int64) {
	for old := a.Load(); v > old && !a.CompareAndSwap(old, v); old = a.Load() {
	}
}

package limits

import (
	"sync/atomic"
	"time"
)

// traffic counts what the limits of a RoundTripper do.
type traffic struct {
	requests, window, bytes meter

	connWaited, connRefused      atomic.Int64
	secondWaited, windowWaited   atomic.Int64
	secondRefused, windowRefused atomic.Int64
	bytesWaited                  atomic.Int64
	tooLarge, largest            atomic.Int64 // responses; bytes of one body
	connecting, reading, writing atomic.Int64 // that took too long
	opened                       atomic.Int64 // requests not sent, as a circuit was open
}

// timedOut counts a timeout by its field.
func (t *traffic) timedOut(field string) {
	switch field {
	case "connection_timeout":
		t.connecting.Add(1)
	case "read_timeout":
		t.reading.Add(1)
	case "write_timeout":
		t.writing.Add(1)
	}
}

// Usage returns the use of the network limits.
func (t *RoundTripper) Usage() []Usage {
	l, c := t.limits, &t.traffic
	out := []Usage{
		{"network.max_total_connections", float64(len(t.inUse)), float64(l.MaxTotalConnections), c.connRefused.Load(), c.connWaited.Load()},
		{"network.max_bandwidth_mbps", c.bytes.last() * 8 / 1e6, l.MaxBandwidthMbps, 0, c.bytesWaited.Load()},
		{"network.max_response_size_mb", float64(c.largest.Load()) / (1 << 20), float64(l.MaxResponseSizeMB), c.tooLarge.Load(), 0},
		{"network.connection_timeout", 0, seconds(l.ConnectionTimeout), c.connecting.Load(), 0},
		{"network.read_timeout", 0, seconds(l.ReadTimeout), c.reading.Load(), 0},
		{"network.write_timeout", 0, seconds(l.WriteTimeout), c.writing.Load(), 0},
	}
	perSecond, window, failures := -1.0, -1.0, -1.0
	if l.EnableRateLimit {
		perSecond, window = float64(l.MaxRequestsPerSecond), float64(l.RateLimitMaxRequests)
	}
	if l.CircuitBreakerEnabled {
		failures = float64(l.CircuitBreakerThreshold)
	}
	return append(out,
		Usage{"network.max_requests_per_second", c.requests.last(), perSecond, c.secondRefused.Load(), c.secondWaited.Load()},
		Usage{"network.rate_limit_max_requests", c.window.last(), window, c.windowRefused.Load(), c.windowWaited.Load()},
		Usage{"network.circuit_breaker_threshold", float64(t.breaker.worst()), failures, c.opened.Load(), 0})
}

// seconds is a timeout in seconds, -1 where it is off.
func seconds(d time.Duration) float64 {
	if d == -1 {
		return -1
	}
	return d.Seconds()
}

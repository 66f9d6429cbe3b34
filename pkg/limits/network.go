package limits

import (
	"time"

	"github.com/rediverio/sdk/internal/config"
)

// The defaults of NetworkLimits.
const (
	DefaultMaxTotalConnections  = 100
	DefaultMaxBandwidthMbps     = 100.0
	DefaultMaxRequestsPerSecond = 1000
	DefaultMaxResponseSizeMB    = 100
	DefaultConnectionTimeout    = 10 * time.Second
	DefaultReadTimeout          = 30 * time.Second
	DefaultWriteTimeout         = 30 * time.Second
	DefaultIdleTimeout          = 120 * time.Second
	DefaultRateLimitWindow      = time.Minute
	DefaultRateLimitMaxRequests = 6000

	DefaultCircuitBreakerThreshold = 5
	DefaultCircuitBreakerTimeout   = 30 * time.Second
)

// NetworkLimits bound HTTP traffic. A transport.RoundTripper enforces them; each has limits of its own.
type NetworkLimits struct {
	// MaxTotalConnections is the maximum number of requests in progress, and so of connections in use. Further requests
	// wait. Defaults to 100.
	MaxTotalConnections int `json:"max_total_connections" yaml:"max_total_connections"`

	// MaxBandwidthMbps is the maximum of megabits of request and response bodies per second, both directions together.
	// Defaults to 100; -1 disables it.
	MaxBandwidthMbps float64 `json:"max_bandwidth_mbps" yaml:"max_bandwidth_mbps"`
	// MaxResponseSizeMB is the maximum size of a response body in MiB. Reading past it fails. Defaults to 100; -1 disables
	// it.
	MaxResponseSizeMB int `json:"max_response_size_mb" yaml:"max_response_size_mb"`

	// ConnectionTimeout is the maximum time until a request has a connection. Defaults to 10 seconds; -1 disables it.
	ConnectionTimeout time.Duration `json:"connection_timeout" yaml:"connection_timeout"`
	// ReadTimeout is the maximum wait for the head of a response after the request was sent, and for each piece of its
	// body. A long poll must ask the server for a shorter wait. Defaults to 30 seconds; -1 disables it.
	ReadTimeout time.Duration `json:"read_timeout" yaml:"read_timeout"`
	// WriteTimeout is the maximum pause while a request is sent. Defaults to 30 seconds; -1 disables it.
	WriteTimeout time.Duration `json:"write_timeout" yaml:"write_timeout"`
	// IdleTimeout is how long an unused connection stays open. A base round tripper of the caller's has its own setting.
	// Defaults to 2 minutes; -1 disables it.
	IdleTimeout time.Duration `json:"idle_timeout" yaml:"idle_timeout"`

	// EnableRateLimit turns on MaxRequestsPerSecond and RateLimitMaxRequests. It is true in DefaultNetworkLimits and false
	// in a literal that does not set it. Requests over a rate wait.
	EnableRateLimit bool `json:"enable_rate_limit" yaml:"enable_rate_limit"`
	// MaxRequestsPerSecond is the maximum number of requests that begin in any second. Defaults to 1000.
	MaxRequestsPerSecond int `json:"max_requests_per_second" yaml:"max_requests_per_second"`
	// RateLimitMaxRequests is the maximum number of requests that begin in any RateLimitWindow. Defaults to 6000.
	RateLimitMaxRequests int `json:"rate_limit_max_requests" yaml:"rate_limit_max_requests"`
	// RateLimitWindow is the length of the window of RateLimitMaxRequests. Defaults to 1 minute.
	RateLimitWindow time.Duration `json:"rate_limit_window" yaml:"rate_limit_window"`

	// CircuitBreakerEnabled turns on the circuit breaker, separately for each host. It is true in DefaultNetworkLimits and
	// false in a literal that does not set it. Uploads and other requests of the ingest client pass without it, since the
	// pipeline pauses them by itself.
	CircuitBreakerEnabled bool `json:"circuit_breaker_enabled" yaml:"circuit_breaker_enabled"`
	// CircuitBreakerThreshold is the number of consecutive requests without an answer after which further requests fail at
	// once with a *transport.CircuitOpenError. Every status is an answer. Defaults to 5.
	CircuitBreakerThreshold int `json:"circuit_breaker_threshold" yaml:"circuit_breaker_threshold"`
	// CircuitBreakerTimeout is the maximum pause before one request probes the host again. Pauses begin at 1 second and
	// double. Defaults to 30 seconds.
	CircuitBreakerTimeout time.Duration `json:"circuit_breaker_timeout" yaml:"circuit_breaker_timeout"`
}

// DefaultNetworkLimits returns the defaults, with the rate limit and the circuit breaker on.
func DefaultNetworkLimits() NetworkLimits {
	return NetworkLimits{EnableRateLimit: true, CircuitBreakerEnabled: true}.WithDefaults()
}

// WithDefaults returns l with its zero fields replaced by their defaults. It does not change EnableRateLimit and
// CircuitBreakerEnabled.
func (l NetworkLimits) WithDefaults() NetworkLimits {
	config.Default(&l.MaxTotalConnections, DefaultMaxTotalConnections)
	config.Default(&l.MaxBandwidthMbps, DefaultMaxBandwidthMbps)
	config.Default(&l.MaxRequestsPerSecond, DefaultMaxRequestsPerSecond)
	config.Default(&l.MaxResponseSizeMB, DefaultMaxResponseSizeMB)
	config.Default(&l.ConnectionTimeout, DefaultConnectionTimeout)
	config.Default(&l.ReadTimeout, DefaultReadTimeout)
	config.Default(&l.WriteTimeout, DefaultWriteTimeout)
	config.Default(&l.IdleTimeout, DefaultIdleTimeout)
	config.Default(&l.RateLimitWindow, DefaultRateLimitWindow)
	config.Default(&l.RateLimitMaxRequests, DefaultRateLimitMaxRequests)
	config.Default(&l.CircuitBreakerThreshold, DefaultCircuitBreakerThreshold)
	config.Default(&l.CircuitBreakerTimeout, DefaultCircuitBreakerTimeout)
	return l
}

// Validate reports every field that is out of range in one error.
func (l NetworkLimits) Validate() error {
	l = l.WithDefaults()
	v := config.New("limits.network")
	config.Range(v, "max_total_connections", l.MaxTotalConnections, 1, 1<<16)
	config.RangeOrOff(v, "max_bandwidth_mbps", l.MaxBandwidthMbps, 0.01, 1e6)
	config.RangeOrOff(v, "max_response_size_mb", l.MaxResponseSizeMB, 1, 1<<20)
	for _, timeout := range []struct {
		field string
		value time.Duration
	}{
		{"connection_timeout", l.ConnectionTimeout}, {"read_timeout", l.ReadTimeout}, {"write_timeout", l.WriteTimeout}, {"idle_timeout", l.IdleTimeout},
	} {
		config.RangeOrOff(v, timeout.field, timeout.value, time.Millisecond, 24*time.Hour)
	}
	config.Range(v, "max_requests_per_second", l.MaxRequestsPerSecond, 1, 1e6)
	config.Range(v, "rate_limit_max_requests", l.RateLimitMaxRequests, 1, 1<<30)
	config.Range(v, "rate_limit_window", l.RateLimitWindow, time.Second, 24*time.Hour)
	config.Range(v, "circuit_breaker_threshold", l.CircuitBreakerThreshold, 1, 1<<20)
	config.Range(v, "circuit_breaker_timeout", l.CircuitBreakerTimeout, time.Millisecond, 24*time.Hour)
	return v.Err()
}

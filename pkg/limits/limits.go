package limits

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

// The defaults that do not depend on the host.
const (
	DefaultCPUThresholdWarn   = 0.80
	DefaultCPUThresholdCrit   = 0.95
	DefaultCPUMonitorInterval = 5 * time.Second
	DefaultMaxConcurrentOps   = 1000

	DefaultMaxHeapSizeMB       = 512
	DefaultGCTargetPercent     = 100
	DefaultMemoryCheckInterval = 10 * time.Second
	DefaultMemoryWarnThreshold = 0.80
	DefaultMemoryCritThreshold = 0.95

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

	DefaultMinFreeDiskSpaceMB = 1000
)

// GoroutinesPerJob is what a job takes of MaxGoroutines while it runs: itself, the keeper of its lease, the wait for
// its scanner, and the worker that encodes its report.
const GoroutinesPerJob = 4

// ComputationalLimits bound what the agent computes.
type ComputationalLimits struct {
	// MaxGoroutines bounds the jobs at once, GoroutinesPerJob for each but at least one job: see ControllerConfig.
	// It is also the budget of a Group made by NewGroup(l.MaxGoroutines). Default 8 a CPU, between 32 and 512.
	MaxGoroutines int `json:"max_goroutines" yaml:"max_goroutines"`

	// The next four are held by the resource controller: see ControllerConfig.

	// CPUThresholdWarn is the fraction of CPU at which a resource_warning is recorded; default 0.8; -1: off.
	CPUThresholdWarn float64 `json:"cpu_threshold_warn" yaml:"cpu_threshold_warn"`
	// CPUThresholdCrit is the fraction of CPU at which no more jobs are admitted; default 0.95; -1: off.
	CPUThresholdCrit float64 `json:"cpu_threshold_crit" yaml:"cpu_threshold_crit"`
	// CPUMonitorInterval is the longest time between two samples; default 5s.
	CPUMonitorInterval time.Duration `json:"cpu_monitor_interval" yaml:"cpu_monitor_interval"`
	// MaxConcurrentOps is the most jobs at once; default 1000.
	MaxConcurrentOps int `json:"max_concurrent_ops" yaml:"max_concurrent_ops"`
}

// MemoryLimits bound the memory the agent takes.
type MemoryLimits struct {
	// MaxHeapSizeMB is the soft memory limit of the Go runtime, in MiB, set by Apply; default 512; -1: off.
	MaxHeapSizeMB int `json:"max_heap_size_mb" yaml:"max_heap_size_mb"`
	// GCTargetPercent is the growth of the heap at which garbage is collected, set by Apply; default 100; -1: the
	// collector runs only near MaxHeapSizeMB.
	GCTargetPercent int `json:"gc_target_percent" yaml:"gc_target_percent"`
	// HeapShare lowers MaxHeapSizeMB to this fraction of the memory that the agent and its scanners may take together,
	// where that is less: 0.25 for a quarter, at most 0.5, for the scanners need the rest; default 0: it does not.
	HeapShare float64 `json:"heap_share" yaml:"heap_share"`
	// HeapGuard lets no job begin while the heap is over 80 percent of MaxHeapSizeMB and collecting garbage does not
	// help; default false.
	HeapGuard bool `json:"heap_guard" yaml:"heap_guard"`

	// The next three are held by the resource controller: see Limits.ControllerConfig.

	// MemoryCheckInterval is the longest time between two samples; default 10s.
	MemoryCheckInterval time.Duration `json:"memory_check_interval" yaml:"memory_check_interval"`
	// MemoryWarnThreshold is the fraction of the host's memory at which a resource_warning is recorded; default
	// 0.8; -1: off.
	MemoryWarnThreshold float64 `json:"memory_warn_threshold" yaml:"memory_warn_threshold"`
	// MemoryCritThreshold is the fraction at which no more jobs are admitted; default 0.95; -1: off.
	MemoryCritThreshold float64 `json:"memory_crit_threshold" yaml:"memory_crit_threshold"`
}

// NetworkLimits bound the traffic through a Transport, which holds each of them. All are per Transport.
type NetworkLimits struct {
	// MaxTotalConnections is the most requests under way at once, and so connections in use; one more waits.
	// Default 100.
	MaxTotalConnections int `json:"max_total_connections" yaml:"max_total_connections"`

	// MaxBandwidthMbps is the most megabits of bodies a second, both directions together; default 100; -1: off.
	MaxBandwidthMbps float64 `json:"max_bandwidth_mbps" yaml:"max_bandwidth_mbps"`
	// MaxResponseSizeMB is the most MiB of one response body; reading past it fails. Default 100; -1: off.
	MaxResponseSizeMB int `json:"max_response_size_mb" yaml:"max_response_size_mb"`

	// ConnectionTimeout is the longest time from a request to a connection for it; default 10s; -1: off.
	ConnectionTimeout time.Duration `json:"connection_timeout" yaml:"connection_timeout"`
	// ReadTimeout is the longest wait for the head of a response once the request is sent, and for each piece of
	// its body after that; default 30s; -1: off. A long poll must ask the server for less.
	ReadTimeout time.Duration `json:"read_timeout" yaml:"read_timeout"`
	// WriteTimeout is the longest pause while a request is sent; default 30s; -1: off.
	WriteTimeout time.Duration `json:"write_timeout" yaml:"write_timeout"`
	// IdleTimeout is how long a connection is kept for the next request, if Transport was given no base; default
	// 2m; -1: no end.
	IdleTimeout time.Duration `json:"idle_timeout" yaml:"idle_timeout"`

	// EnableRateLimit turns the next three on. It is true in DefaultNetworkLimits and false in a literal that does
	// not set it. A request over a rate waits.
	EnableRateLimit bool `json:"enable_rate_limit" yaml:"enable_rate_limit"`
	// MaxRequestsPerSecond is the most requests started in any second; default 1000.
	MaxRequestsPerSecond int `json:"max_requests_per_second" yaml:"max_requests_per_second"`
	// RateLimitMaxRequests is the most requests started in any RateLimitWindow; defaults 6000 and 1m.
	RateLimitMaxRequests int           `json:"rate_limit_max_requests" yaml:"rate_limit_max_requests"`
	RateLimitWindow      time.Duration `json:"rate_limit_window" yaml:"rate_limit_window"`

	// CircuitBreakerEnabled turns the next two on, for each host by itself. It is true in DefaultNetworkLimits and
	// false in a literal that does not set it.
	CircuitBreakerEnabled bool `json:"circuit_breaker_enabled" yaml:"circuit_breaker_enabled"`
	// CircuitBreakerThreshold is how many requests in a row get no answer before further ones fail at once, with an
	// ErrCircuitOpen; default 5. Any status is an answer.
	CircuitBreakerThreshold int `json:"circuit_breaker_threshold" yaml:"circuit_breaker_threshold"`
	// CircuitBreakerTimeout is the longest pause before one request tries again; pauses begin at 1s and double.
	// Default 30s.
	CircuitBreakerTimeout time.Duration `json:"circuit_breaker_timeout" yaml:"circuit_breaker_timeout"`
}

// FileSystemLimits bound what the agent takes of a disk.
type FileSystemLimits struct {
	// MinFreeDiskSpaceMB is the free space in MiB under which FreeSpace fails, which is to be asked before a job
	// begins; default 1000; -1: off.
	MinFreeDiskSpaceMB int `json:"min_free_disk_space_mb" yaml:"min_free_disk_space_mb"`
}

// Limits is all four sets, and what happens when the host is in trouble in spite of them.
type Limits struct {
	Computational ComputationalLimits `json:"computational" yaml:"computational"`
	Memory        MemoryLimits        `json:"memory" yaml:"memory"`
	Network       NetworkLimits       `json:"network" yaml:"network"`
	FileSystem    FileSystemLimits    `json:"file_system" yaml:"file_system"`
	Degradation   DegradationConfig   `json:"degradation" yaml:"degradation"`
	Rebalancing   RebalanceConfig     `json:"rebalancing" yaml:"rebalancing"`
}

// DefaultLimits returns the defaults of all sets.
func DefaultLimits() Limits {
	return Limits{DefaultComputationalLimits(), DefaultMemoryLimits(), DefaultNetworkLimits(), DefaultFileSystemLimits(), DegradationConfig{}.WithDefaults(), RebalanceConfig{}.WithDefaults()}
}

// DefaultComputationalLimits returns the defaults for this host.
func DefaultComputationalLimits() ComputationalLimits { return ComputationalLimits{}.WithDefaults() }

// DefaultMemoryLimits returns the defaults.
func DefaultMemoryLimits() MemoryLimits { return MemoryLimits{}.WithDefaults() }

// DefaultNetworkLimits returns the defaults, with the rate limit and the circuit breaker on.
func DefaultNetworkLimits() NetworkLimits {
	return NetworkLimits{EnableRateLimit: true, CircuitBreakerEnabled: true}.WithDefaults()
}

// DefaultFileSystemLimits returns the defaults.
func DefaultFileSystemLimits() FileSystemLimits { return FileSystemLimits{}.WithDefaults() }

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// WithDefaults returns l with its zero fields filled in.
func (l ComputationalLimits) WithDefaults() ComputationalLimits {
	orDefault(&l.MaxGoroutines, max(32, min(8*runtime.NumCPU(), 512)))
	orDefault(&l.CPUThresholdWarn, DefaultCPUThresholdWarn)
	orDefault(&l.CPUThresholdCrit, DefaultCPUThresholdCrit)
	orDefault(&l.CPUMonitorInterval, DefaultCPUMonitorInterval)
	orDefault(&l.MaxConcurrentOps, DefaultMaxConcurrentOps)
	return l
}

// WithDefaults returns l with its zero fields filled in.
func (l MemoryLimits) WithDefaults() MemoryLimits {
	orDefault(&l.MaxHeapSizeMB, DefaultMaxHeapSizeMB)
	orDefault(&l.GCTargetPercent, DefaultGCTargetPercent)
	orDefault(&l.MemoryCheckInterval, DefaultMemoryCheckInterval)
	orDefault(&l.MemoryWarnThreshold, DefaultMemoryWarnThreshold)
	orDefault(&l.MemoryCritThreshold, DefaultMemoryCritThreshold)
	return l
}

// WithDefaults returns l with its zero fields filled in; EnableRateLimit and CircuitBreakerEnabled stay as they are.
func (l NetworkLimits) WithDefaults() NetworkLimits {
	orDefault(&l.MaxTotalConnections, DefaultMaxTotalConnections)
	orDefault(&l.MaxBandwidthMbps, DefaultMaxBandwidthMbps)
	orDefault(&l.MaxRequestsPerSecond, DefaultMaxRequestsPerSecond)
	orDefault(&l.MaxResponseSizeMB, DefaultMaxResponseSizeMB)
	orDefault(&l.ConnectionTimeout, DefaultConnectionTimeout)
	orDefault(&l.ReadTimeout, DefaultReadTimeout)
	orDefault(&l.WriteTimeout, DefaultWriteTimeout)
	orDefault(&l.IdleTimeout, DefaultIdleTimeout)
	orDefault(&l.RateLimitWindow, DefaultRateLimitWindow)
	orDefault(&l.RateLimitMaxRequests, DefaultRateLimitMaxRequests)
	orDefault(&l.CircuitBreakerThreshold, DefaultCircuitBreakerThreshold)
	orDefault(&l.CircuitBreakerTimeout, DefaultCircuitBreakerTimeout)
	return l
}

// WithDefaults returns l with its zero fields filled in.
func (l FileSystemLimits) WithDefaults() FileSystemLimits {
	orDefault(&l.MinFreeDiskSpaceMB, DefaultMinFreeDiskSpaceMB)
	return l
}

// WithDefaults returns l with the zero fields of all sets filled in.
func (l Limits) WithDefaults() Limits {
	return Limits{l.Computational.WithDefaults(), l.Memory.WithDefaults(), l.Network.WithDefaults(), l.FileSystem.WithDefaults(), l.Degradation.WithDefaults(), l.Rebalancing.WithDefaults()}
}

// Validate returns every field of every set that is out of range, in one error.
func (l Limits) Validate() error {
	named := func(set string, err error) error {
		if err == nil {
			return nil
		}
		return fmt.Errorf("%s: %w", set, err)
	}
	return errors.Join(
		named("computational", l.Computational.Validate()), named("memory", l.Memory.Validate()),
		named("network", l.Network.Validate()), named("file_system", l.FileSystem.Validate()),
		named("degradation", l.Degradation.Validate()), named("rebalancing", l.Rebalancing.Validate()))
}

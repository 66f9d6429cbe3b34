package limits

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// problems collects what Validate finds.
type problems []error

// check reports a value outside lo to hi; -1 passes where it means off.
func check[T cmp.Ordered](p *problems, field string, v, lo, hi T) {
	if !(v >= lo && v <= hi) { // also true for NaN
		*p = append(*p, fmt.Errorf("%s: %v is outside %v to %v", field, v, lo, hi))
	}
}

// checkOff is check for a field that -1 turns off.
func checkOff[T int | float64 | time.Duration](p *problems, field string, v, lo, hi T) {
	if v != -1 && !(v >= lo && v <= hi) {
		*p = append(*p, fmt.Errorf("%s: %v is outside %v to %v (-1 is off)", field, v, lo, hi))
	}
}

func (p problems) err() error { return errors.Join(p...) }

// pair reports a warning level that is not below its critical level.
func (p *problems) pair(warnField, critField string, warn, crit float64) {
	if warn != -1 && crit != -1 && warn >= crit {
		*p = append(*p, fmt.Errorf("%s: %v is not below %s (%v)", warnField, warn, critField, crit))
	}
}

// Validate returns every field that is out of range, in one error.
func (l ComputationalLimits) Validate() error {
	l = l.WithDefaults()
	var p problems
	check(&p, "max_goroutines", l.MaxGoroutines, 1, 1<<20)
	checkOff(&p, "cpu_threshold_warn", l.CPUThresholdWarn, 0.01, 1)
	checkOff(&p, "cpu_threshold_crit", l.CPUThresholdCrit, 0.01, 1)
	p.pair("cpu_threshold_warn", "cpu_threshold_crit", l.CPUThresholdWarn, l.CPUThresholdCrit)
	check(&p, "cpu_monitor_interval", l.CPUMonitorInterval, 10*time.Millisecond, time.Hour)
	check(&p, "max_concurrent_ops", l.MaxConcurrentOps, 1, 1<<20)
	return p.err()
}

// minHeapMB is the least heap that an agent can work with, in MiB.
const minHeapMB = 16

// Validate returns every field that is out of range, in one error.
func (l MemoryLimits) Validate() error {
	l = l.WithDefaults()
	var p problems
	checkOff(&p, "max_heap_size_mb", l.MaxHeapSizeMB, minHeapMB, 1<<24) // 1<<24 MiB is 16 TiB: a number of bytes is over it
	checkOff(&p, "gc_target_percent", l.GCTargetPercent, 1, 10000)
	check(&p, "heap_share", l.HeapShare, 0, 0.5)
	if l.MaxHeapSizeMB == -1 && (l.HeapShare > 0 || l.HeapGuard) {
		p = append(p, errors.New("max_heap_size_mb: -1 leaves heap_share and heap_guard nothing to hold"))
	}
	if l.MaxHeapSizeMB == -1 && l.GCTargetPercent == -1 {
		p = append(p, errors.New("gc_target_percent: -1 needs max_heap_size_mb, or garbage is never collected"))
	}
	check(&p, "memory_check_interval", l.MemoryCheckInterval, 10*time.Millisecond, time.Hour)
	checkOff(&p, "memory_warn_threshold", l.MemoryWarnThreshold, 0.01, 1)
	checkOff(&p, "memory_crit_threshold", l.MemoryCritThreshold, 0.01, 1)
	p.pair("memory_warn_threshold", "memory_crit_threshold", l.MemoryWarnThreshold, l.MemoryCritThreshold)
	return p.err()
}

// Validate returns every field that is out of range, in one error.
func (l NetworkLimits) Validate() error {
	l = l.WithDefaults()
	var p problems
	check(&p, "max_total_connections", l.MaxTotalConnections, 1, 1<<16)
	checkOff(&p, "max_bandwidth_mbps", l.MaxBandwidthMbps, 0.01, 1e6)
	check(&p, "max_requests_per_second", l.MaxRequestsPerSecond, 1, 1e6)
	checkOff(&p, "max_response_size_mb", l.MaxResponseSizeMB, 1, 1<<20)
	timeout := func(field string, v time.Duration) { checkOff(&p, field, v, time.Millisecond, 24*time.Hour) }
	timeout("connection_timeout", l.ConnectionTimeout)
	timeout("read_timeout", l.ReadTimeout)
	timeout("write_timeout", l.WriteTimeout)
	timeout("idle_timeout", l.IdleTimeout)
	check(&p, "rate_limit_window", l.RateLimitWindow, time.Second, 24*time.Hour)
	check(&p, "rate_limit_max_requests", l.RateLimitMaxRequests, 1, 1<<30)
	check(&p, "circuit_breaker_threshold", l.CircuitBreakerThreshold, 1, 1<<20)
	check(&p, "circuit_breaker_timeout", l.CircuitBreakerTimeout, time.Millisecond, 24*time.Hour)
	return p.err()
}

// Validate returns every field that is out of range, in one error.
func (l FileSystemLimits) Validate() error {
	l = l.WithDefaults()
	var p problems
	checkOff(&p, "min_free_disk_space_mb", l.MinFreeDiskSpaceMB, 1, 1<<30)
	return p.err()
}

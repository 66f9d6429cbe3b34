package limits

import (
	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/resource"
)

// ControllerConfig returns base with the limits of l that a resource.Controller enforces. A field of l that is zero or has
// its default leaves base unchanged. A field of l and one of base that set the same quantity to different values, neither
// of them the default, are an error that names both.
func (l Limits) ControllerConfig(base resource.ControllerConfig) (resource.ControllerConfig, error) {
	v := config.New("limits")
	l = l.WithDefaults()
	c, m, d := l.Computational, l.Memory, *resource.DefaultControllerConfig()

	jobs, field := 0, "computational.max_concurrent_ops"
	if c.MaxConcurrentOps != DefaultMaxConcurrentOps {
		jobs = c.MaxConcurrentOps
	}
	if n := max(c.MaxGoroutines/GoroutinesPerJob, 1); c.MaxGoroutines != DefaultComputationalLimits().MaxGoroutines && (jobs == 0 || n < jobs) {
		jobs, field = n, "computational.max_goroutines"
	}
	merge(v, field, jobs, 0, "resource.max_concurrent_jobs", &base.MaxConcurrentJobs, d.MaxConcurrentJobs)
	merge(v, "computational.cpu_threshold_crit", percent(c.CPUThresholdCrit), percent(DefaultCPUThresholdCrit), "resource.cpu_threshold", &base.CPUThreshold, d.CPUThreshold)
	merge(v, "computational.cpu_threshold_warn", percent(c.CPUThresholdWarn), percent(DefaultCPUThresholdWarn), "resource.cpu_warning", &base.CPUWarning, d.CPUWarning)
	merge(v, "computational.cpu_monitor_interval", c.CPUMonitorInterval, DefaultCPUMonitorInterval, "resource.sample_interval", &base.SampleInterval, d.SampleInterval)
	merge(v, "memory.memory_crit_threshold", percent(m.MemoryCritThreshold), percent(DefaultMemoryCritThreshold), "resource.memory_threshold", &base.MemoryThreshold, d.MemoryThreshold)
	merge(v, "memory.memory_warn_threshold", percent(m.MemoryWarnThreshold), percent(DefaultMemoryWarnThreshold), "resource.memory_warning", &base.MemoryWarning, d.MemoryWarning)
	merge(v, "memory.memory_check_interval", m.MemoryCheckInterval, DefaultMemoryCheckInterval, "resource.sample_interval", &base.SampleInterval, d.SampleInterval)
	return base, v.Err()
}

// merge sets *owner to value, unless value is def. It reports a conflict if *owner has another value that is neither zero
// nor ownerDef.
func merge[T comparable](v *config.Validator, field string, value, def T, ownerField string, owner *T, ownerDef T) {
	var zero T
	switch {
	case value == def || value == *owner:
	case *owner == zero || *owner == ownerDef:
		*owner = value
	default:
		v.Addf(field, "%v conflicts with %s: %v; set one of them", value, ownerField, *owner)
	}
}

// percent converts a fraction of this package to a percentage of resource.ControllerConfig. -1 means off in both.
func percent(fraction float64) float64 {
	if fraction == -1 {
		return -1
	}
	return 100 * fraction
}

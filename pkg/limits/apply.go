package limits

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

// Apply sets the memory limit and the collector's target of the Go runtime, for the whole process, and returns a
// function that sets both back. It is for main to call, not for a library: nothing in this module does it unasked.
// The limit counts the agent alone; scanners are processes of their own.
func (l MemoryLimits) Apply() (restore func()) {
	l = l.WithDefaults()
	limit, percent := int64(-1), l.GCTargetPercent // a negative limit changes nothing
	if l.MaxHeapSizeMB > 0 {
		limit = int64(l.MaxHeapSizeMB) << 20
	}
	oldLimit, oldPercent := debug.SetMemoryLimit(limit), debug.SetGCPercent(percent)
	return func() {
		debug.SetMemoryLimit(oldLimit)
		debug.SetGCPercent(oldPercent)
	}
}

// ControllerConfig returns base, tightened: where base, its zero fields taken as their defaults, allows more than
// l, l holds. It never loosens: the controller stops at 85 percent of CPU by default though l would allow 95.
func (l ComputationalLimits) ControllerConfig(base resource.ControllerConfig) resource.ControllerConfig {
	l = l.WithDefaults()
	d := resource.DefaultControllerConfig()
	tightenPercent(&base.CPUThreshold, d.CPUThreshold, l.CPUThresholdCrit)
	tightenPercent(&base.CPUWarning, warning(base.CPUThreshold), l.CPUThresholdWarn)
	tighten(&base.SampleInterval, d.SampleInterval, l.CPUMonitorInterval)
	tighten(&base.MaxConcurrentJobs, d.MaxConcurrentJobs, min(l.MaxConcurrentOps, l.jobs()))
	base.MinConcurrentJobs = min(base.MinConcurrentJobs, base.MaxConcurrentJobs)
	return base
}

// JobsBound says that a limit leaves fewer jobs at once than a controller was configured for.
type JobsBound struct {
	Field string // max_goroutines or max_concurrent_ops
	Value int    // of it
	Asked int    // resource.max_concurrent_jobs
	Jobs  int    // that can run at once
}

func (b *JobsBound) Error() string {
	each := ""
	if b.Field == "max_goroutines" {
		each = fmt.Sprintf(", which take %d goroutines each", GoroutinesPerJob)
	}
	return fmt.Sprintf("limits.computational.%s is %d: no more than %d jobs run at once%s, though resource.max_concurrent_jobs is %d",
		b.Field, b.Value, b.Jobs, each, b.Asked)
}

// JobsBound returns a *JobsBound where l leaves fewer jobs at once than base has slots. Nothing is wrong then, but
// who set the one field may not know of the other.
func (l ComputationalLimits) JobsBound(base resource.ControllerConfig) error {
	l = l.WithDefaults()
	asked := base.MaxConcurrentJobs
	orDefault(&asked, resource.DefaultControllerConfig().MaxConcurrentJobs)
	switch {
	case l.jobs() < asked && l.jobs() <= l.MaxConcurrentOps:
		return &JobsBound{"max_goroutines", l.MaxGoroutines, asked, l.jobs()}
	case l.MaxConcurrentOps < asked:
		return &JobsBound{"max_concurrent_ops", l.MaxConcurrentOps, asked, l.MaxConcurrentOps}
	}
	return nil
}

// jobs is how many jobs at once MaxGoroutines leaves.
func (l ComputationalLimits) jobs() int { return max(l.MaxGoroutines/GoroutinesPerJob, 1) }

// ControllerConfig returns base, tightened by l as by ComputationalLimits.ControllerConfig.
func (l MemoryLimits) ControllerConfig(base resource.ControllerConfig) resource.ControllerConfig {
	l = l.WithDefaults()
	d := resource.DefaultControllerConfig()
	tightenPercent(&base.MemoryThreshold, d.MemoryThreshold, l.MemoryCritThreshold)
	tightenPercent(&base.MemoryWarning, warning(base.MemoryThreshold), l.MemoryWarnThreshold)
	tighten(&base.SampleInterval, d.SampleInterval, l.MemoryCheckInterval)
	return base
}

// ControllerConfig returns base, tightened by the computational and the memory limits.
func (l Limits) ControllerConfig(base resource.ControllerConfig) resource.ControllerConfig {
	return l.Memory.ControllerConfig(l.Computational.ControllerConfig(base))
}

// warning is what a controller takes for a warning level that is not set.
func warning(threshold float64) float64 {
	if threshold <= 5 {
		return -1
	}
	return threshold - 5
}

func tighten[T int | time.Duration](v *T, def, limit T) {
	orDefault(v, def)
	*v = min(*v, limit)
}

// tightenPercent tightens a percentage by a fraction; -1 is off in both.
func tightenPercent(v *float64, def, fraction float64) {
	orDefault(v, def)
	switch {
	case fraction == -1:
	case *v == -1:
		*v = 100 * fraction
	default:
		*v = min(*v, 100*fraction)
	}
}

package limits

import (
	"runtime"
	"time"

	"github.com/rediverio/sdk/internal/config"
)

// The defaults of ComputationalLimits.
const (
	DefaultCPUThresholdWarn   = 0.80
	DefaultCPUThresholdCrit   = 0.95
	DefaultCPUMonitorInterval = 5 * time.Second
	DefaultMaxConcurrentOps   = 1000
)

// GoroutinesPerJob is the number of goroutines of a running job: the job itself, its lease, its scanner process and the
// encoder of its report.
const GoroutinesPerJob = 4

// ComputationalLimits bound the work of the agent. A resource.Controller enforces them: see Limits.ControllerConfig.
type ComputationalLimits struct {
	// MaxGoroutines bounds the goroutines of running jobs, and so the number of jobs at a time: one job for each
	// GoroutinesPerJob, at least one. Defaults to 8 for each CPU, between 32 and 512; the default bounds nothing.
	MaxGoroutines int `json:"max_goroutines" yaml:"max_goroutines"`
	// CPUThresholdWarn is the fraction of CPU at which a resource_warning event is recorded. Defaults to 0.8, which
	// leaves resource.cpu_warning in force; -1 disables it.
	CPUThresholdWarn float64 `json:"cpu_threshold_warn" yaml:"cpu_threshold_warn"`
	// CPUThresholdCrit is the fraction of CPU at which no more jobs are admitted. Defaults to 0.95, which leaves
	// resource.cpu_threshold in force; -1 disables it.
	CPUThresholdCrit float64 `json:"cpu_threshold_crit" yaml:"cpu_threshold_crit"`
	// CPUMonitorInterval is the time between two samples. Defaults to 5 seconds, which leaves resource.sample_interval
	// in force.
	CPUMonitorInterval time.Duration `json:"cpu_monitor_interval" yaml:"cpu_monitor_interval"`
	// MaxConcurrentOps is the maximum number of jobs at a time. Defaults to 1000, which leaves
	// resource.max_concurrent_jobs in force.
	MaxConcurrentOps int `json:"max_concurrent_ops" yaml:"max_concurrent_ops"`
}

// DefaultComputationalLimits returns the defaults for this host.
func DefaultComputationalLimits() ComputationalLimits { return ComputationalLimits{}.WithDefaults() }

// WithDefaults returns l with its zero fields replaced by their defaults.
func (l ComputationalLimits) WithDefaults() ComputationalLimits {
	config.Default(&l.MaxGoroutines, max(32, min(8*runtime.NumCPU(), 512)))
	config.Default(&l.CPUThresholdWarn, DefaultCPUThresholdWarn)
	config.Default(&l.CPUThresholdCrit, DefaultCPUThresholdCrit)
	config.Default(&l.CPUMonitorInterval, DefaultCPUMonitorInterval)
	config.Default(&l.MaxConcurrentOps, DefaultMaxConcurrentOps)
	return l
}

// Validate reports every field that is out of range in one error.
func (l ComputationalLimits) Validate() error {
	l = l.WithDefaults()
	v := config.New("limits.computational")
	config.Range(v, "max_goroutines", l.MaxGoroutines, 1, 1<<20)
	validateLevels(v, "cpu_threshold_warn", l.CPUThresholdWarn, "cpu_threshold_crit", l.CPUThresholdCrit)
	config.Range(v, "cpu_monitor_interval", l.CPUMonitorInterval, 10*time.Millisecond, time.Hour)
	config.Range(v, "max_concurrent_ops", l.MaxConcurrentOps, 1, 1<<20)
	return v.Err()
}

// validateLevels reports fractions out of range, and a warning level that is not below its critical level.
func validateLevels(v *config.Validator, warnField string, warn float64, critField string, crit float64) {
	config.RangeOrOff(v, warnField, warn, 0.01, 1)
	config.RangeOrOff(v, critField, crit, 0.01, 1)
	if warn != -1 && crit != -1 && warn >= crit {
		v.Addf(warnField, "%v is not below %s (%v)", warn, v.Name(critField), crit)
	}
}

package resource

import (
	"runtime"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/event"
)

// The defaults of ControllerConfig.
const (
	DefaultCPUThreshold            = 85.0
	DefaultMemoryThreshold         = 85.0
	DefaultMemoryPressureThreshold = 60.0
	DefaultMinConcurrentJobs       = 1
	DefaultSampleInterval          = 5 * time.Second
	DefaultCooldownDuration        = 30 * time.Second

	// DefaultMemoryReserve bounds the default of MemoryReserveBytes, which is a twentieth of the memory.
	DefaultMemoryReserve = 256 << 20
)

// Bounds that Validate checks.
const (
	MaxJobs           = 4096
	MinSampleInterval = 10 * time.Millisecond
	MaxSampleInterval = time.Hour
	MaxCooldown       = 24 * time.Hour
)

// ControllerConfig configures a Controller. A nil config and a zero field mean the defaults. The controller copies the
// config and never writes to it.
type ControllerConfig struct {
	// CPUThreshold is the percentage of CPU use that stops admission. Defaults to 85; -1 ignores the CPU.
	CPUThreshold float64

	// MemoryThreshold is the percentage of memory in use that stops admission. Defaults to 85; -1 ignores the share.
	MemoryThreshold float64

	// MemoryPressureThreshold is the percentage of time that tasks wait for memory (Linux PSI) that stops admission.
	// Defaults to 60; -1 ignores the pressure.
	MemoryPressureThreshold float64

	// CPUWarning is the percentage of CPU use at which a resource_warning event is recorded. Defaults to 5 points below
	// CPUThreshold; -1 records none.
	CPUWarning float64

	// MemoryWarning is the percentage of memory in use at which a resource_warning event is recorded. Defaults to 5 points
	// below MemoryThreshold; -1 records none.
	MemoryWarning float64

	// MemoryReserveBytes stay free for the host: no job is admitted that would take them, and less than that available
	// stops all admission at once. Defaults to a twentieth of the memory, at most DefaultMemoryReserve; -1 reserves nothing.
	// More than half of the memory counts as half, so that an idle host always admits jobs.
	MemoryReserveBytes int64

	// MaxConcurrentJobs is the number of slots. Defaults to the CPUs this process may use: the least of runtime.NumCPU,
	// GOMAXPROCS and the CPU quota of its control groups, and at least 1.
	MaxConcurrentJobs int

	// MinConcurrentJobs is the number of jobs that run even when throttled, except when memory is short. Defaults to 1.
	MinConcurrentJobs int

	// AdaptiveConcurrency lets the controller change the number of slots between MinConcurrentJobs and MaxConcurrentJobs:
	// one more after a calm window in which a job found no free slot, one fewer when the CPU is short, half when memory is
	// short or a process was killed for lack of it. A window is 30 seconds or CooldownDuration, whichever is longer. Each
	// change is a concurrency_changed event. AdaptiveMaxJobs returns the recommended number in any case.
	AdaptiveConcurrency bool

	// SampleInterval is the time between two samples of the host. Defaults to 5 seconds.
	SampleInterval time.Duration

	// CooldownDuration is the least time from the last sample above the threshold to resumption. Defaults to 30 seconds.
	CooldownDuration time.Duration

	// ThrottleWhenStale makes a host that cannot be measured for three intervals count as overloaded, also if only a part
	// of the measurement is missing. Without it, admission follows what is still known, and otherwise the slots alone.
	ThrottleWhenStale bool

	// Budgets divide slots and memory among components; see Budget and Request.Component. Without any, all compete for all.
	Budgets []Budget

	// MaxReservedBytes bounds the memory that all requests in force reserve together. Zero means what Budgets guarantee
	// together, or no bound if they guarantee none.
	MaxReservedBytes int64

	// RevokeGrace is the time from Slot.Revoked to the release that its holder is expected to keep. Defaults to 15 seconds.
	RevokeGrace time.Duration

	// Gate is called before each admission. While it returns an error no job is admitted, not even MinConcurrentJobs, and
	// waiting requests continue to wait until it returns nil, at a sample or when another job ends. It must return at once
	// and call no method of the controller; a panic counts as an error. A nil Gate is always open.
	Gate func() error

	// OnThresholdExceeded is called when admission stops, and OnThresholdCleared when it resumes. The calls are made one at
	// a time, in order, on a goroutine of their own; a panic is recovered and counted. They may call every method of the
	// controller but should not call Stop, which waits some seconds for the callback it is called from.
	OnThresholdExceeded func(metrics *SystemMetrics, reason string)
	OnThresholdCleared  func(metrics *SystemMetrics)

	// DiskPaths are directories whose free disk space is in the samples. It decides nothing. An agent's command line adds its state directory.
	DiskPaths []string

	// Verbose also writes the controller's events, and each sample above a threshold, to slog's default logger.
	Verbose bool `yaml:"-"`

	// Sink receives resource_throttle, resource_resume, resource_warning and concurrency_changed events. It may be nil.
	Sink event.Sink

	// Sampler measures the host. Defaults to the real one.
	Sampler Sampler
}

// DefaultControllerConfig returns a config with the defaults filled in. Those that follow from another field or from the
// host stay zero: the warnings, the memory reserve, the sampler.
func DefaultControllerConfig() *ControllerConfig {
	c := ControllerConfig{}.WithDefaults()
	c.CPUWarning, c.MemoryWarning = 0, 0
	return &c
}

// WithDefaults returns c with its zero fields replaced by their defaults. The memory reserve and the sampler stay as they are.
func (c ControllerConfig) WithDefaults() ControllerConfig {
	config.Default(&c.CPUThreshold, DefaultCPUThreshold)
	config.Default(&c.MemoryThreshold, DefaultMemoryThreshold)
	config.Default(&c.MemoryPressureThreshold, DefaultMemoryPressureThreshold)
	config.Default(&c.CPUWarning, warningBelow(c.CPUThreshold))
	config.Default(&c.MemoryWarning, warningBelow(c.MemoryThreshold))
	config.Default(&c.MaxConcurrentJobs, defaultJobs())
	config.Default(&c.MinConcurrentJobs, DefaultMinConcurrentJobs)
	config.Default(&c.SampleInterval, DefaultSampleInterval)
	config.Default(&c.CooldownDuration, DefaultCooldownDuration)
	config.Default(&c.RevokeGrace, DefaultRevokeGrace)
	return c
}

func warningBelow(threshold float64) float64 {
	if threshold <= 5 {
		return -1
	}
	return threshold - 5
}

// Validate returns every field that is out of range, in one error.
func (c ControllerConfig) Validate() error {
	c = c.WithDefaults()
	v := config.New("resource")
	config.RangeOrOff(v, "cpu_threshold", c.CPUThreshold, 1, 100)
	config.RangeOrOff(v, "memory_threshold", c.MemoryThreshold, 1, 100)
	config.RangeOrOff(v, "memory_pressure_threshold", c.MemoryPressureThreshold, 1, 100)
	config.RangeOrOff(v, "cpu_warning", c.CPUWarning, 1, 100)
	config.RangeOrOff(v, "memory_warning", c.MemoryWarning, 1, 100)
	config.RangeOrOff(v, "memory_reserve_bytes", c.MemoryReserveBytes, 0, maxMemory)
	config.Range(v, "max_concurrent_jobs", c.MaxConcurrentJobs, 1, MaxJobs)
	if c.MinConcurrentJobs < 1 || c.MinConcurrentJobs > max(c.MaxConcurrentJobs, 1) {
		v.Addf("min_concurrent_jobs", "%d is outside 1 to max_concurrent_jobs (%d)", c.MinConcurrentJobs, c.MaxConcurrentJobs)
	}
	config.Range(v, "sample_interval", c.SampleInterval, MinSampleInterval, MaxSampleInterval)
	config.Range(v, "cooldown_duration", c.CooldownDuration, 0, MaxCooldown)
	config.Range(v, "max_reserved_bytes", c.MaxReservedBytes, 0, maxMemory)
	config.Range(v, "revoke_grace", c.RevokeGrace, 0, MaxRevokeGrace)
	validateBudgets(v, c.Budgets)
	c.validateTotals(v)
	return v.Err()
}

// defaultJobs returns the number of CPUs that this process may use. The runtime considers the quota of its own control
// group alone and rounds it up, to at least 2; one scanner for each CPU needs the tightest ancestor, rounded down.
func defaultJobs() int {
	return max(min(runtime.GOMAXPROCS(0), MaxJobs, int(cpusAvailable())), 1)
}

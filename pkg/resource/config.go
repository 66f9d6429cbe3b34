package resource

import (
	"errors"
	"fmt"
	"runtime"
	"time"

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

// ControllerConfig configures a Controller. A nil config and a zero field mean the defaults; the controller
// copies it and never writes to it.
type ControllerConfig struct {
	CPUThreshold            float64 // percent of CPU that stops admission; default 85; -1: CPU never does
	MemoryThreshold         float64 // percent of memory that stops admission; default 85; -1: its share never does
	MemoryPressureThreshold float64 // percent of time tasks wait for memory (Linux PSI); default 60; -1: off

	// CPUWarning and MemoryWarning are the percentages at which a resource_warning event is recorded; default
	// 5 points under the threshold; -1: no warning.
	CPUWarning    float64
	MemoryWarning float64

	// MemoryReserveBytes stay free for the host: no job is admitted that would take them, and less than that
	// available stops every admission at once. Default a twentieth of the memory, at most DefaultMemoryReserve;
	// -1: off. More than half of the memory counts as half, so that an idle host always admits.
	MemoryReserveBytes int64

	// MaxConcurrentJobs is the number of slots. Default: the CPUs this process may use, that is the least of
	// runtime.NumCPU, GOMAXPROCS and the CPU quota of its control groups, and at least 1.
	MaxConcurrentJobs int
	// MinConcurrentJobs run even when throttled, except when memory is short; default 1.
	MinConcurrentJobs int

	// AdaptiveConcurrency lets the controller change the number of slots by itself, between MinConcurrentJobs and
	// MaxConcurrentJobs: one more after a calm window in which a job found no free slot, one fewer after CPU trouble,
	// half after memory trouble or a kill for want of memory. A window is 30 s or CooldownDuration, whatever is longer; each change
	// is a concurrency_changed event. AdaptiveMaxJobs says the number in any case.
	AdaptiveConcurrency bool

	SampleInterval   time.Duration // between two samples; default 5s
	CooldownDuration time.Duration // from the last sample that was too high to resumption, at least; default 30s

	// ThrottleWhenStale makes a host that cannot be measured for three intervals count as overloaded, also when only a
	// part of it cannot. Without it admission goes by what is still known, and else by slots alone.
	ThrottleWhenStale bool

	// Budgets divide what there is among components; see Budget and Request.Component. Without any, all compete for all.
	Budgets []Budget
	// MaxReservedBytes, MaxGoroutines and MaxConnections bound what all requests in force name together. Zero: what
	// Budgets guarantee together; where they guarantee none, there is no bound.
	MaxReservedBytes int64
	MaxGoroutines    int
	MaxConnections   int
	// RevokeGrace is the time from Slot.Revoked to the release that its holder is expected to keep; default 15s.
	RevokeGrace time.Duration

	// Gate is asked before each admission: while it returns an error no job is admitted, not even MinConcurrentJobs,
	// and whoever waits goes on waiting until it returns nil, at a sample or when another job ends. It must return at
	// once and call no method of the controller; a panic counts as an error. Nil: it is always open.
	Gate func() error

	// OnThresholdExceeded is called when admission stops, OnThresholdCleared when it resumes. Calls come one at a
	// time, in order, on a goroutine of their own; a panic is recovered and counted. They may call every method
	// of the controller, but should leave Stop to others: it waits a few seconds for the callback it is called from.
	OnThresholdExceeded func(metrics *SystemMetrics, reason string)
	OnThresholdCleared  func(metrics *SystemMetrics)

	// DiskPaths are directories whose free disk space is in the samples; it decides nothing. A Sampler of your own
	// does as it likes. Default none (example-agent: its state directory).
	DiskPaths []string

	Verbose bool       // also record, at debug severity, each sample that is over a threshold
	Sink    event.Sink // takes resource_throttle, resource_resume and resource_warning; nil: nobody

	Sampler Sampler // measures the host; nil: the real one
}

// DefaultControllerConfig returns a config with the defaults filled in. Those that follow from another field or
// from the host stay zero: the warnings, the memory reserve, the sampler.
func DefaultControllerConfig() *ControllerConfig {
	c := ControllerConfig{}.withDefaults()
	c.CPUWarning, c.MemoryWarning = 0, 0
	return &c
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (c ControllerConfig) withDefaults() ControllerConfig {
	orDefault(&c.CPUThreshold, DefaultCPUThreshold)
	orDefault(&c.MemoryThreshold, DefaultMemoryThreshold)
	orDefault(&c.MemoryPressureThreshold, DefaultMemoryPressureThreshold)
	orDefault(&c.CPUWarning, warningBelow(c.CPUThreshold))
	orDefault(&c.MemoryWarning, warningBelow(c.MemoryThreshold))
	orDefault(&c.MaxConcurrentJobs, defaultJobs())
	orDefault(&c.MinConcurrentJobs, DefaultMinConcurrentJobs)
	orDefault(&c.SampleInterval, DefaultSampleInterval)
	orDefault(&c.CooldownDuration, DefaultCooldownDuration)
	orDefault(&c.RevokeGrace, DefaultRevokeGrace)
	return c
}

func warningBelow(threshold float64) float64 {
	if threshold <= 5 {
		return -1
	}
	return threshold - 5
}

// problem is one field out of range, with the way back to a value that works.
type problem struct {
	err error
	fix func(*ControllerConfig)
}

// problems lists what is wrong with c, whose defaults are filled in.
func (c ControllerConfig) problems() []problem {
	var ps []problem
	bad := func(fix func(*ControllerConfig), format string, args ...any) {
		ps = append(ps, problem{fmt.Errorf(format, args...), fix})
	}
	d := ControllerConfig{}.withDefaults()
	percent := func(name string, v, def float64, field func(*ControllerConfig) *float64) {
		if v != -1 && !(v >= 1 && v <= 100) {
			bad(func(c *ControllerConfig) { *field(c) = def }, "%s: %v is outside 1 to 100 (-1 is off)", name, v)
		}
	}
	percent("cpu_threshold", c.CPUThreshold, d.CPUThreshold, func(c *ControllerConfig) *float64 { return &c.CPUThreshold })
	percent("memory_threshold", c.MemoryThreshold, d.MemoryThreshold, func(c *ControllerConfig) *float64 { return &c.MemoryThreshold })
	percent("memory_pressure_threshold", c.MemoryPressureThreshold, d.MemoryPressureThreshold, func(c *ControllerConfig) *float64 { return &c.MemoryPressureThreshold })
	percent("cpu_warning", c.CPUWarning, -1, func(c *ControllerConfig) *float64 { return &c.CPUWarning })
	percent("memory_warning", c.MemoryWarning, -1, func(c *ControllerConfig) *float64 { return &c.MemoryWarning })
	if c.MemoryReserveBytes < -1 {
		bad(func(c *ControllerConfig) { c.MemoryReserveBytes = 0 }, "memory_reserve_bytes: %d is under 0 (-1 is off)", c.MemoryReserveBytes)
	}
	if c.MaxConcurrentJobs < 1 || c.MaxConcurrentJobs > MaxJobs {
		bad(func(c *ControllerConfig) { c.MaxConcurrentJobs = d.MaxConcurrentJobs },
			"max_concurrent_jobs: %d is outside 1 to %d", c.MaxConcurrentJobs, MaxJobs)
	}
	if c.MinConcurrentJobs < 1 || c.MinConcurrentJobs > max(c.MaxConcurrentJobs, 1) {
		bad(func(c *ControllerConfig) { c.MinConcurrentJobs = DefaultMinConcurrentJobs },
			"min_concurrent_jobs: %d is outside 1 to max_concurrent_jobs (%d)", c.MinConcurrentJobs, c.MaxConcurrentJobs)
	}
	if c.SampleInterval < MinSampleInterval || c.SampleInterval > MaxSampleInterval {
		bad(func(c *ControllerConfig) { c.SampleInterval = DefaultSampleInterval },
			"sample_interval: %v is outside %v to %v", c.SampleInterval, MinSampleInterval, MaxSampleInterval)
	}
	if c.CooldownDuration < 0 || c.CooldownDuration > MaxCooldown {
		bad(func(c *ControllerConfig) { c.CooldownDuration = DefaultCooldownDuration },
			"cooldown_duration: %v is outside 0 to %v", c.CooldownDuration, MaxCooldown)
	}
	return append(ps, c.budgetProblems()...)
}

// Validate returns every field that is out of range, in one error.
func (c ControllerConfig) Validate() error {
	var errs []error
	for _, p := range c.withDefaults().problems() {
		errs = append(errs, p.err)
	}
	return errors.Join(errs...)
}

// normalise fills in the defaults, also for what is out of range: NewController has no error to return.
func (c ControllerConfig) normalise() ControllerConfig {
	c = c.withDefaults()
	for _, p := range c.problems() {
		p.fix(&c)
	}
	c.MinConcurrentJobs = min(c.MinConcurrentJobs, c.MaxConcurrentJobs)
	c.Sink = event.OrNop(c.Sink)
	if c.Sampler == nil {
		c.Sampler = newSystemSampler(c.DiskPaths...)
	}
	return c
}

// defaultJobs is the number of CPUs that this process may use. The runtime looks at the quota of its own control
// group alone and rounds it up, to 2 at least; a scanner a CPU needs the tightest ancestor, rounded down.
func defaultJobs() int {
	return max(min(runtime.GOMAXPROCS(0), MaxJobs, int(cpusAvailable())), 1)
}

package limits

import (
	"runtime/debug"
	"time"

	"github.com/rediverio/sdk/internal/config"
)

// The defaults of MemoryLimits.
const (
	DefaultMaxHeapSizeMB       = 512
	DefaultGCTargetPercent     = 100
	DefaultMemoryCheckInterval = 10 * time.Second
	DefaultMemoryWarnThreshold = 0.80
	DefaultMemoryCritThreshold = 0.95
)

// minHeapMB is the smallest heap that an agent can work with, in MiB.
const minHeapMB = 16

// MemoryLimits bound the memory of the agent. Apply sets the limits of the Go heap, a HeapGuard enforces them, and a
// resource.Controller enforces the thresholds: see Limits.ControllerConfig.
type MemoryLimits struct {
	// MaxHeapSizeMB is the soft memory limit of the Go runtime in MiB, set by Apply. Defaults to 512; -1 disables it.
	MaxHeapSizeMB int `json:"max_heap_size_mb" yaml:"max_heap_size_mb"`
	// GCTargetPercent is the growth of the heap that triggers a garbage collection, set by Apply. Defaults to 100; with
	// -1 the collector runs only near MaxHeapSizeMB.
	GCTargetPercent int `json:"gc_target_percent" yaml:"gc_target_percent"`
	// HeapShare lowers MaxHeapSizeMB to this fraction of the memory that the agent and its scanners may use together, if
	// that is less. 0.25 is a quarter; at most 0.5, since the scanners need the rest. Zero, the default, disables it.
	HeapShare float64 `json:"heap_share" yaml:"heap_share"`
	// HeapGuard stops the admission of jobs while the heap is over 80 percent of MaxHeapSizeMB and garbage collections do
	// not help. Defaults to false.
	HeapGuard bool `json:"heap_guard" yaml:"heap_guard"`
	// MemoryCheckInterval is the time between two samples. Defaults to 10 seconds, which leaves resource.sample_interval
	// in force.
	MemoryCheckInterval time.Duration `json:"memory_check_interval" yaml:"-"`
	// MemoryWarnThreshold is the fraction of the host's memory at which a resource_warning event is recorded. Defaults to
	// 0.8, which leaves resource.memory_warning in force; -1 disables it.
	MemoryWarnThreshold float64 `json:"memory_warn_threshold" yaml:"-"`
	// MemoryCritThreshold is the fraction of the host's memory at which no more jobs are admitted. Defaults to 0.95, which
	// leaves resource.memory_threshold in force; -1 disables it.
	MemoryCritThreshold float64 `json:"memory_crit_threshold" yaml:"-"`
}

// DefaultMemoryLimits returns the defaults.
func DefaultMemoryLimits() MemoryLimits { return MemoryLimits{}.WithDefaults() }

// WithDefaults returns l with its zero fields replaced by their defaults.
func (l MemoryLimits) WithDefaults() MemoryLimits {
	config.Default(&l.MaxHeapSizeMB, DefaultMaxHeapSizeMB)
	config.Default(&l.GCTargetPercent, DefaultGCTargetPercent)
	config.Default(&l.MemoryCheckInterval, DefaultMemoryCheckInterval)
	config.Default(&l.MemoryWarnThreshold, DefaultMemoryWarnThreshold)
	config.Default(&l.MemoryCritThreshold, DefaultMemoryCritThreshold)
	return l
}

// Validate reports every field that is out of range in one error.
func (l MemoryLimits) Validate() error {
	l = l.WithDefaults()
	v := config.New("limits.memory")
	config.RangeOrOff(v, "max_heap_size_mb", l.MaxHeapSizeMB, minHeapMB, 1<<24) // 16 TiB: rejects a number of bytes
	config.RangeOrOff(v, "gc_target_percent", l.GCTargetPercent, 1, 10000)
	config.Range(v, "heap_share", l.HeapShare, 0, 0.5)
	if l.MaxHeapSizeMB == -1 && (l.HeapShare > 0 || l.HeapGuard) {
		v.Addf("max_heap_size_mb", "-1 leaves heap_share and heap_guard without a limit to enforce")
	}
	if l.MaxHeapSizeMB == -1 && l.GCTargetPercent == -1 {
		v.Addf("gc_target_percent", "-1 requires max_heap_size_mb, or garbage is never collected")
	}
	config.Range(v, "memory_check_interval", l.MemoryCheckInterval, 10*time.Millisecond, time.Hour)
	validateLevels(v, "memory_warn_threshold", l.MemoryWarnThreshold, "memory_crit_threshold", l.MemoryCritThreshold)
	return v.Err()
}

// Apply sets the memory limit and the garbage collection target of the Go runtime for the whole process. The returned
// function restores the previous values. Apply is for main: no package of this module calls it on its own. The limit
// covers the agent alone, since scanners are separate processes.
func (l MemoryLimits) Apply() (restore func()) {
	l = l.WithDefaults()
	limit := int64(-1) // a negative limit changes nothing
	if l.MaxHeapSizeMB > 0 {
		limit = int64(l.MaxHeapSizeMB) << 20
	}
	oldLimit, oldPercent := debug.SetMemoryLimit(limit), debug.SetGCPercent(l.GCTargetPercent)
	return func() {
		debug.SetMemoryLimit(oldLimit)
		debug.SetGCPercent(oldPercent)
	}
}

// WithHeapShare returns l with MaxHeapSizeMB lowered to HeapShare of memory, the number of bytes that this process and its
// scanners may use together (resource.SystemMetrics.MemoryLimitBytes). l is returned unchanged if HeapShare is zero or
// memory is unknown (not positive).
func (l MemoryLimits) WithHeapShare(memory int64) MemoryLimits {
	l = l.WithDefaults()
	if l.HeapShare <= 0 || memory <= 0 || l.MaxHeapSizeMB == -1 {
		return l
	}
	share := int(l.HeapShare * float64(memory) / (1 << 20))
	l.MaxHeapSizeMB = max(min(l.MaxHeapSizeMB, share), minHeapMB)
	return l
}

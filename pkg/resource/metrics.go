package resource

import (
	"context"
	"time"
)

// SystemMetrics is one sample of the host as this process sees it. In control groups with limits, the tightest limit of all
// ancestors counts, not the machine.
type SystemMetrics struct {
	// CPUPercent is 0 to 100: the use of the host's CPUs or of the CPU quota of a control group, whichever is worse.
	CPUPercent float64 `json:"cpu_percent"`
	// CPUSource is where CPUPercent was measured: "host", "cgroup2:/path" or "cgroup1:/path". Empty means unknown.
	CPUSource string `json:"cpu_source"`
	// CPUThrottledPercent is the share of the periods of a CPU quota, since the previous sample, in which tasks were stopped
	// until the next period, in the control group with the most. It is 0 without a quota.
	CPUThrottledPercent float64 `json:"cpu_throttled_percent"`

	// MemoryPercent is 0 to 100. Page cache that can be reclaimed does not count as used.
	MemoryPercent float64 `json:"memory_percent"`
	// MemoryUsedMB is the memory in use at the level of MemorySource, in MiB.
	MemoryUsedMB float64 `json:"memory_used_mb"`
	// MemoryTotalMB is the memory that the level of MemorySource may use, in MiB.
	MemoryTotalMB float64 `json:"memory_total_mb"`
	// MemorySource is the fullest level, in the form of CPUSource. Empty means that the memory numbers are unknown.
	MemorySource string `json:"memory_source"`
	// MemoryAvailableBytes is what a new job could use, at the level with the least available memory.
	MemoryAvailableBytes int64 `json:"memory_available_bytes"`
	// MemoryLimitBytes is what that level may use in total. Zero from a Sampler means MemoryTotalMB.
	MemoryLimitBytes int64 `json:"memory_limit_bytes"`

	// Pressure is nil if the kernel does not report it.
	Pressure *Pressure `json:"pressure,omitzero"`

	// MemoryHighEvents counts how often, since the previous sample, processes were slowed down because their control group
	// was over memory.high. This and the next two count in the control group of this process or in an ancestor with a
	// limit, whichever has the most. Version 1 reports only MemoryMaxEvents and OOMKills.
	MemoryHighEvents int64 `json:"memory_high_events"`
	// MemoryMaxEvents counts how often memory was reclaimed because the group was about to exceed its limit.
	MemoryMaxEvents int64 `json:"memory_max_events"`
	// OOMEvents counts how often no memory could be reclaimed.
	OOMEvents int64 `json:"oom_events"`
	// OOMKills counts the processes of this process's own control group that the kernel killed because memory was short.
	OOMKills int64 `json:"oom_kills"`

	// Disks are the disks of ControllerConfig.DiskPaths, in the same order.
	Disks []Disk `json:"disks,omitempty"`

	ProcessRSSBytes int64 `json:"process_rss_bytes"` // ProcessRSSBytes is the resident memory of this process; 0 means unknown.
	HeapBytes       int64 `json:"heap_bytes"`        // HeapBytes is the result of the function HeapBytes.
	OpenFiles       int   `json:"open_files"`        // OpenFiles counts open descriptors including sockets (Linux); 0 means unknown.
	NumGoroutines   int   `json:"num_goroutines"`    // NumGoroutines is the number of goroutines of this process.
	NumCPU          int   `json:"num_cpu"`           // NumCPU is runtime.NumCPU: the CPUs of the affinity and CPU set at the start.

	// CPUsAvailable is the number of CPUs that this process may use now: NumCPU, or less by a quota or CPU set of a control
	// group. 0 means unknown.
	CPUsAvailable float64 `json:"cpus_available"`

	Timestamp time.Time `json:"timestamp,omitzero"` // Timestamp is when the sample was taken; zero before the first one.
	Stale     bool      `json:"stale"`              // Stale means that the newest attempt failed or the sample is older than three intervals.
}

// Pressure is the share of the time since the previous sample in which some task waited for a resource, in percent (Linux
// PSI, "some").
type Pressure struct {
	CPU    float64 `json:"cpu"`
	Memory float64 `json:"memory"`
	IO     float64 `json:"io"`
}

// Sampler measures the host. A Controller calls Sample from one goroutine with a context that ends after one SampleInterval
// or with the controller. Sample must return soon after that.
//
// A number that cannot be measured has an empty source. An error means that something cannot be measured that should be; the
// numbers returned beside it are used unless ControllerConfig.ThrottleWhenStale is set. The controller fills in a zero
// Timestamp.
type Sampler interface {
	Sample(ctx context.Context) (SystemMetrics, error)
}

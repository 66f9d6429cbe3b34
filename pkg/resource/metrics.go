package resource

import (
	"context"
	"time"
)

// SystemMetrics is one sample of the host as this process sees it. In a control group with a limit the tightest
// limit of all its ancestors counts, not the machine.
type SystemMetrics struct {
	CPUPercent float64 `json:"cpu_percent"` // 0 to 100: the worse of the host's CPU and the use of the group's CPU quota
	CPUSource  string  `json:"cpu_source"`  // "host", "cgroup2:/path" or "cgroup1:/path"; empty: CPUPercent is not known

	// CPUThrottledPercent is in how many of the periods of the CPU quota, since the sample before, tasks were stopped
	// until the next: of the control group that has the most. 0 also where no group has a quota.
	CPUThrottledPercent float64 `json:"cpu_throttled_percent"`

	MemoryPercent        float64 `json:"memory_percent"`         // 0 to 100, page cache that can be given back not counted as used
	MemoryUsedMB         float64 `json:"memory_used_mb"`         // MiB in use at the level that MemorySource names
	MemoryTotalMB        float64 `json:"memory_total_mb"`        // MiB that level may use
	MemorySource         string  `json:"memory_source"`          // as CPUSource, the fullest level; empty: the memory numbers are not known
	MemoryAvailableBytes int64   `json:"memory_available_bytes"` // bytes a new job could take, at the level that has the least left
	MemoryLimitBytes     int64   `json:"memory_limit_bytes"`     // bytes that level may use at all; a Sampler that leaves it zero means MemoryTotalMB

	Pressure *Pressure `json:"pressure,omitzero"` // nil: the kernel does not tell

	// What happened for want of memory since the sample before, in this control group and those above it that have a limit:
	// the most of them. Of version 1 only MemoryMaxEvents and OOMKills are known.
	MemoryHighEvents int64 `json:"memory_high_events"` // the group was over memory.high, and its processes were slowed down
	MemoryMaxEvents  int64 `json:"memory_max_events"`  // the group was about to pass its limit, and memory was taken back from it
	OOMEvents        int64 `json:"oom_events"`         // none could be taken back
	OOMKills         int64 `json:"oom_kills"`          // processes of this control group alone that were killed

	Disks []Disk `json:"disks,omitempty"` // of ControllerConfig.DiskPaths, in their order

	ProcessRSSBytes int64 `json:"process_rss_bytes"` // resident memory of this process; 0: not known
	HeapBytes       int64 `json:"heap_bytes"`        // memory of this process's Go heap that objects take, the dead included that are not swept yet
	OpenFiles       int   `json:"open_files"`        // file descriptors of this process, sockets included; 0: not known (Linux only)
	NumGoroutines   int   `json:"num_goroutines"`    // of this process
	NumCPU          int   `json:"num_cpu"`           // CPUs this process might run on when it began, as its affinity and its cpuset said

	// CPUsAvailable is how many CPUs this process may use now: NumCPU, or less where a quota or the cpuset of a control group
	// says so; 0: not known.
	CPUsAvailable float64 `json:"cpus_available"`

	Timestamp time.Time `json:"timestamp,omitzero"` // when the sample was taken; zero: there is none yet
	Stale     bool      `json:"stale"`              // the newest attempt failed, or the sample is older than three intervals
}

// Pressure says for how much of the time since the sample before some task waited for a resource, in percent
// (Linux PSI, "some").
type Pressure struct {
	CPU    float64 `json:"cpu"`
	Memory float64 `json:"memory"`
	IO     float64 `json:"io"`
}

// Sampler measures the host. A Controller calls Sample from one goroutine, never twice at once, with a context
// that ends after one SampleInterval or with the controller; Sample must return soon after that.
//
// What a sampler cannot measure it leaves with an empty source. An error says that something cannot be measured that
// should be. Numbers returned beside it are used where ControllerConfig.ThrottleWhenStale is off.
// A zero Timestamp is filled in by the controller.
type Sampler interface {
	Sample(ctx context.Context) (SystemMetrics, error)
}

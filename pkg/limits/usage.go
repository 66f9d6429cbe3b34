package limits

import "github.com/rediverio/sdk/pkg/resource"

// Usage is the state of one limit. Programs print it and metrics collectors export it.
type Usage struct {
	Name    string  `json:"name"`    // Name is the setting in the section limits, or resource.… for one of that section.
	Used    float64 `json:"used"`    // Used is the present value in the unit of the setting; 0 for a time.
	Limit   float64 `json:"limit"`   // Limit is the value of the setting, in seconds for a time; -1 means off.
	Refused int64   `json:"refused"` // Refused counts what failed at the limit; for a warning level, how often it was reached.
	Waited  int64   `json:"waited"`  // Waited counts what had to wait.
}

// ControllerUsage returns the state of the limits that a resource.Controller with configuration c enforces. s is its status.
func ControllerUsage(c resource.ControllerConfig, s resource.ControllerStatus) []Usage {
	m := s.Metrics
	c = c.WithDefaults()
	return []Usage{
		{Name: "resource.max_concurrent_jobs", Used: float64(s.ActiveSlots), Limit: float64(s.MaxJobs), Refused: s.Refused[resource.Slots], Waited: s.Waited[resource.Slots]},
		{Name: "resource.cpu_warning", Used: m.CPUPercent, Limit: c.CPUWarning, Refused: s.Warned[resource.CPU]},
		{Name: "resource.cpu_threshold", Used: m.CPUPercent, Limit: c.CPUThreshold, Refused: s.Refused[resource.CPU], Waited: s.Waited[resource.CPU]},
		{Name: "resource.memory_warning", Used: m.MemoryPercent, Limit: c.MemoryWarning, Refused: s.Warned[resource.Memory]},
		{Name: "resource.memory_threshold", Used: m.MemoryPercent, Limit: c.MemoryThreshold, Refused: s.Refused[resource.Memory], Waited: s.Waited[resource.Memory]},
	}
}

// Usage returns the size of the Go heap in m.
func (l MemoryLimits) Usage(m resource.SystemMetrics) Usage {
	return Usage{Name: "memory.max_heap_size_mb", Used: float64(m.HeapBytes) / (1 << 20), Limit: float64(l.WithDefaults().MaxHeapSizeMB)}
}

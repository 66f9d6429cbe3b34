package limits

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

// Metric is the name of a number that a Rule observes.
type Metric string

// The metrics. The resource controller supplies the ones of the host, the pipeline the queue and a HeapGuard the heap. The
// program supplies the chunk store and the audit log.
const (
	MetricCPU            Metric = "cpu_percent"             // of the host or of the CPU quota, whichever is worse
	MetricMemory         Metric = "memory_percent"          // without page cache that can be reclaimed
	MetricMemoryPressure Metric = "memory_pressure_percent" // share of time in which a task waited for memory (Linux)
	MetricDiskFree       Metric = "disk_free_mb"            // MiB, of the fullest measured disk
	MetricStore          Metric = "store_percent"           // share of the size limit of the chunk store in use
	MetricAudit          Metric = "audit_failing"           // 1 while the audit log cannot be written, else 0
	MetricQueue          Metric = "queue_reports"           // reports not yet uploaded
	MetricHeap           Metric = "heap_percent"            // share of the heap that a HeapGuard allows
)

// metricRange is the range of Rule.Raise for a metric, and the calmest value that a healthy host can be expected to reach.
type metricRange struct {
	lowIsBad  bool
	from, to  float64
	reachable float64 // bound of Rule.Clear; if low is bad, a multiple of Raise
}

var metricRanges = map[Metric]metricRange{
	MetricCPU:            {from: 20, to: 100, reachable: 10},
	MetricMemory:         {from: 20, to: 100, reachable: 10},
	MetricMemoryPressure: {from: 1, to: 100, reachable: 0.5},
	MetricDiskFree:       {lowIsBad: true, from: 1, to: 1 << 30, reachable: 2},
	MetricStore:          {from: 5, to: 100, reachable: 2},
	MetricAudit:          {from: 1, to: 1, reachable: 0.5},
	MetricQueue:          {from: 1, to: 1 << 40, reachable: 0.5},
	MetricHeap:           {from: 20, to: 1000, reachable: 10},
}

// Metrics returns all metrics in alphabetical order.
func Metrics() []Metric { return slices.Sorted(maps.Keys(metricRanges)) }

// Signals are the metrics known at one moment. A metric that is absent, NaN or infinite is unknown.
type Signals map[Metric]float64

// maxUnknown is how long a metric may be unknown before the rules about it end, and the age at which the measurement of a
// disk is no longer used. Without it, a metric that never returns would keep the agent degraded forever.
const maxUnknown = 5 * time.Minute

// AddHost adds the metrics of a sample of the host. A stale sample adds only its disks, each of which has its own time of
// measurement.
func (s Signals) AddHost(m resource.SystemMetrics) {
	s.addDisks(m)
	if m.Stale || m.Timestamp.IsZero() {
		return
	}
	if m.CPUSource != "" {
		s[MetricCPU] = m.CPUPercent
	}
	if m.MemorySource != "" {
		s[MetricMemory] = m.MemoryPercent
	}
	if m.Pressure != nil {
		s[MetricMemoryPressure] = m.Pressure.Memory
	}
}

func (s Signals) addDisks(m resource.SystemMetrics) {
	for _, d := range m.Disks {
		if d.Stale || d.Measured.IsZero() || m.Stale && time.Since(d.Measured) > maxUnknown {
			continue
		}
		free := float64(d.FreeBytes >> 20)
		if least, ok := s[MetricDiskFree]; !ok || free < least {
			s[MetricDiskFree] = free
		}
	}
}

// known returns the value of m if it can be compared.
func (s Signals) known(m Metric) (value float64, ok bool) {
	value, ok = s[m]
	return value, ok && !math.IsNaN(value) && !math.IsInf(value, 0)
}

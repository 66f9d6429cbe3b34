package limits

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

// Metric is a number that a Rule watches.
type Metric string

// The metrics. Those of the host come from the resource controller, the queue from the pipeline, the heap from a
// HeapGuard; the store and the audit log are what a program adds.
const (
	MetricCPU            Metric = "cpu_percent"             // of the host or the quota, the worse
	MetricMemory         Metric = "memory_percent"          // page cache that can be given back not counted
	MetricMemoryPressure Metric = "memory_pressure_percent" // of the time some task waited for memory (Linux)
	MetricDiskFree       Metric = "disk_free_mb"            // MiB, of the fullest disk in the samples
	MetricStore          Metric = "store_percent"           // of the room that the chunk store may take
	MetricAudit          Metric = "audit_failing"           // 1 while the disk does not take the audit log, else 0
	MetricQueue          Metric = "queue_reports"           // reports that are not uploaded
	MetricHeap           Metric = "heap_percent"            // of the heap that a HeapGuard allows
)

// span is what a metric can be, and how calm it can be expected to get on a host that is well.
type span struct {
	lowIsBad  bool
	from, to  float64 // of Rule.Raise
	reachable float64 // Rule.Clear may not ask for better; where low is bad, as a multiple of Raise
}

var spans = map[Metric]span{
	MetricCPU:            {from: 20, to: 100, reachable: 10},
	MetricMemory:         {from: 20, to: 100, reachable: 10},
	MetricMemoryPressure: {from: 1, to: 100, reachable: 0.5},
	MetricDiskFree:       {lowIsBad: true, from: 1, to: 1 << 30, reachable: 2},
	MetricStore:          {from: 5, to: 100, reachable: 2},
	MetricAudit:          {from: 1, to: 1, reachable: 0.5},
	MetricQueue:          {from: 1, to: 1 << 40, reachable: 0.5},
	MetricHeap:           {from: 20, to: 1000, reachable: 10},
}

// Metrics returns all metrics, in the order of the alphabet.
func Metrics() []Metric {
	var out []Metric
	for m := range spans {
		out = append(out, m)
	}
	slices.Sort(out)
	return out
}

// Vitals is what is known in one moment. A metric that is not in it, or is no number, is not known.
type Vitals map[Metric]float64

// Host adds what a sample of the host says. Of a stale sample only the disks count that were measured in the last 5
// minutes: each is measured by itself, and is as good when something else could not be.
func (v Vitals) Host(m resource.SystemMetrics) {
	for _, d := range m.Disks {
		if d.Stale || d.Measured.IsZero() || m.Stale && time.Since(d.Measured) > unknownFor {
			continue
		}
		free := float64(d.FreeBytes >> 20)
		if least, ok := v[MetricDiskFree]; !ok || free < least {
			v[MetricDiskFree] = free
		}
	}
	if m.Stale || m.Timestamp.IsZero() {
		return
	}
	if m.CPUSource != "" {
		v[MetricCPU] = m.CPUPercent
	}
	if m.MemorySource != "" {
		v[MetricMemory] = m.MemoryPercent
	}
	if m.Pressure != nil {
		v[MetricMemoryPressure] = m.Pressure.Memory
	}
}

// known returns a number that can be compared.
func (v Vitals) known(m Metric) (value float64, ok bool) {
	value, ok = v[m]
	return value, ok && !math.IsNaN(value) && !math.IsInf(value, 0)
}

// Rule brings the agent down to Level while Metric is bad.
type Rule struct {
	// Metric is cpu_percent, memory_percent, memory_pressure_percent, disk_free_mb, store_percent, audit_failing,
	// queue_reports or heap_percent.
	Metric Metric `json:"metric" yaml:"metric"`
	// Raise is the bound: a value at or over it is bad; of disk_free_mb, a value under it.
	Raise float64 `json:"raise" yaml:"raise"`
	// Clear is on the good side of Raise; only past it the metric counts as well again.
	Clear float64 `json:"clear" yaml:"clear"`
	// For is how long the metric is bad without a break before the rule holds; zero: DegradationConfig.SamplesUp
	// samples.
	For time.Duration `json:"for" yaml:"for"`
	// Hard makes the first bad sample enough.
	Hard bool `json:"hard" yaml:"hard"`
	// Level is reduced, minimal or paused.
	Level Level `json:"level" yaml:"level"`
}

// bad says whether value is on the wrong side of Raise.
func (r Rule) bad(value float64) bool {
	if spans[r.Metric].lowIsBad {
		return value < r.Raise
	}
	return value >= r.Raise
}

// calm says whether value is past Clear.
func (r Rule) calm(value float64) bool {
	if spans[r.Metric].lowIsBad {
		return value >= r.Clear
	}
	return value < r.Clear
}

// is compares a value with a bound, in words; better says on which side of it the value is.
func (r Rule) is(value, bound float64, better bool) string {
	op := ">="
	if spans[r.Metric].lowIsBad != better {
		op = "<"
	}
	return fmt.Sprintf("%s %s %s %s", r.Metric, short(value), op, short(bound))
}

// short writes a number with at most two decimals.
func short(x float64) string { return strconv.FormatFloat(math.Round(x*100)/100, 'f', -1, 64) }

// over says why the rule does not hold any more.
func (r Rule) over(v Vitals) string {
	value, ok := v.known(r.Metric)
	switch {
	case !ok:
		return string(r.Metric) + " is not known any more"
	case r.calm(value):
		return r.is(value, r.Clear, true)
	}
	return r.past(value)
}

// past is the sentence for a value on the good side of Raise that is not past Clear, or not for long enough.
func (r Rule) past(value float64) string {
	return r.is(value, r.Raise, true) + " now"
}

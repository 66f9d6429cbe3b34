package limits

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/rediverio/sdk/internal/config"
)

// Rule lowers the agent to Level while Metric is bad.
type Rule struct {
	// Metric is cpu_percent, memory_percent, memory_pressure_percent, disk_free_mb, store_percent, audit_failing,
	// queue_reports or heap_percent.
	Metric Metric `json:"metric" yaml:"metric"`
	// Raise is the bound of a bad value: a value of at least Raise, or of disk_free_mb a value below it.
	Raise float64 `json:"raise" yaml:"raise"`
	// Clear is the bound of a good value, on the good side of Raise.
	Clear float64 `json:"clear" yaml:"clear"`
	// For is how long the metric must be bad without interruption before the rule applies. Zero requires
	// DegradationConfig.SamplesUp samples instead.
	For time.Duration `json:"for" yaml:"for"`
	// Hard makes the rule apply at the first bad sample.
	Hard bool `json:"hard" yaml:"hard"`
	// Level is reduced, minimal or paused.
	Level Level `json:"level" yaml:"level"`
}

// DefaultRules returns the rules of a DegradationConfig that has none. They lie beyond the thresholds of the resource
// controller, which keeps the host healthy as long as it can: they apply when that was not enough.
func DefaultRules() []Rule {
	return []Rule{
		{Metric: MetricMemory, Raise: 92, Clear: 80, For: 30 * time.Second, Level: LevelReduced},
		{Metric: MetricMemory, Raise: 97, Clear: 85, For: 30 * time.Second, Level: LevelMinimal},
		{Metric: MetricMemoryPressure, Raise: 40, Clear: 20, For: 30 * time.Second, Level: LevelReduced},
		{Metric: MetricMemoryPressure, Raise: 70, Clear: 30, For: 30 * time.Second, Level: LevelMinimal},
		{Metric: MetricCPU, Raise: 98, Clear: 85, For: 15 * time.Minute, Level: LevelReduced},
		{Metric: MetricStore, Raise: 75, Clear: 65, For: time.Minute, Level: LevelReduced},
		{Metric: MetricStore, Raise: 90, Clear: 80, Level: LevelMinimal},
		{Metric: MetricStore, Raise: 98, Clear: 90, Level: LevelPaused},
		{Metric: MetricAudit, Raise: 1, Clear: 0.5, For: time.Minute, Level: LevelReduced},
		{Metric: MetricQueue, Raise: 10000, Clear: 5000, For: 5 * time.Minute, Level: LevelReduced},
		{Metric: MetricHeap, Raise: 100, Clear: 80, Level: LevelMinimal},
	}
}

// validate reports fields out of range. It rejects a Clear that no healthy host reaches, since the rule would never end.
func (r Rule) validate() error {
	v := config.New("")
	m, ok := metricRanges[r.Metric]
	if !ok {
		v.Addf("metric", "%q is none of %v", r.Metric, Metrics())
		return v.Err()
	}
	config.Range(v, "raise", r.Raise, m.from, m.to)
	if m.lowIsBad {
		config.Range(v, "clear", r.Clear, r.Raise, m.reachable*r.Raise)
	} else {
		config.Range(v, "clear", r.Clear, m.reachable, r.Raise)
	}
	config.Range(v, "for", r.For, 0, 24*time.Hour)
	if r.Hard && r.For != 0 {
		v.Addf("for", "%v is not used by a hard rule, which applies at once", r.For)
	}
	if r.Level.Rank() == 0 {
		v.Addf("level", "%q is none of %v", r.Level, Levels()[1:])
	}
	return v.Err()
}

// bad reports whether value is on the wrong side of Raise.
func (r Rule) bad(value float64) bool {
	return metricRanges[r.Metric].lowIsBad == (value < r.Raise)
}

// good reports whether value is past Clear.
func (r Rule) good(value float64) bool {
	return metricRanges[r.Metric].lowIsBad == (value >= r.Clear)
}

// compare describes value and bound, such as "cpu_percent 99 >= 98". bad is the side of bound that value is on.
func (r Rule) compare(value, bound float64, bad bool) string {
	op := ">="
	if metricRanges[r.Metric].lowIsBad == bad {
		op = "<"
	}
	return fmt.Sprintf("%s %s %s %s", r.Metric, decimal(value), op, decimal(bound))
}

// reason describes why the rule applies to value, or that it waits for a good value.
func (r Rule) reason(value float64) string {
	if r.bad(value) {
		return r.compare(value, r.Raise, true)
	}
	return r.compare(value, r.Raise, false) + " now"
}

// recovery describes why the rule no longer applies.
func (r Rule) recovery(s Signals) string {
	value, ok := s.known(r.Metric)
	switch {
	case !ok:
		return string(r.Metric) + " is unknown"
	case r.good(value):
		return r.compare(value, r.Clear, false)
	}
	return r.reason(value)
}

// decimal formats x with at most two decimals.
func decimal(x float64) string { return strconv.FormatFloat(math.Round(x*100)/100, 'f', -1, 64) }

// ruleState is a Rule with its recent samples. A duration on both edges prevents flapping better than a cooldown alone.
type ruleState struct {
	rule    Rule
	applies bool
	value   float64 // last known

	bad, good int       // consecutive samples
	badSince  time.Time // first of the bad samples
	lastHot   time.Time // last sample that was not good
	lastKnown time.Time // last sample that had the metric
}

// observe updates the state with one sample.
func (s *ruleState) observe(now time.Time, signals Signals, cfg *DegradationConfig) {
	value, ok := signals.known(s.rule.Metric)
	if !ok {
		s.bad, s.good = 0, 0
		s.applies = s.applies && now.Sub(s.lastKnown) < maxUnknown
		return
	}
	s.value, s.lastKnown = value, now
	if s.rule.good(value) {
		s.good++
	} else {
		s.good, s.lastHot = 0, now
	}
	if !s.rule.bad(value) {
		s.bad = 0
		s.applies = s.applies && !(s.good >= cfg.SamplesDown && now.Sub(s.lastHot) >= config.OrOff(cfg.Cooldown))
		return
	}
	if s.bad++; s.bad == 1 {
		s.badSince = now
	}
	s.applies = s.applies || s.rule.Hard || s.bad >= cfg.SamplesUp && now.Sub(s.badSince) >= s.rule.For
}

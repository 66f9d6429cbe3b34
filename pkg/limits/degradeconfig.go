package limits

import (
	"fmt"
	"slices"
	"time"
)

// The defaults of DegradationConfig.
const (
	DefaultDegradationSamplesUp   = 3
	DefaultDegradationSamplesDown = 6
	DefaultDegradationCooldown    = time.Minute
	DefaultBigJobMB               = 512
)

// DegradationConfig says when an agent does less. Zero fields mean defaults.
type DegradationConfig struct {
	// Level is auto, where the rules decide, or a level to stay at, for a drill, from which only hard rules lead
	// further down; default auto.
	Level Level `json:"level" yaml:"level"`
	// SamplesUp is how many bad samples running make a rule hold, besides its For; default 3.
	SamplesUp int `json:"samples_up" yaml:"samples_up"`
	// SamplesDown is how many good samples running end it, besides Cooldown; default 6.
	SamplesDown int `json:"samples_down" yaml:"samples_down"`
	// Cooldown is the shortest time from the last sample that was not good to the end of a rule, and from one step
	// up to the next; default 1m; -1: none.
	Cooldown time.Duration `json:"cooldown" yaml:"cooldown"`
	// BigJobMB is the reservation in MiB above which the level minimal takes no job; default 512.
	BigJobMB int `json:"big_job_mb" yaml:"big_job_mb"`
	// Rules replace the default ones. The rule of min_free_disk_space_mb always stays.
	Rules []Rule `json:"rules" yaml:"rules"`
}

// WithDefaults returns c with its zero fields filled in, but for Rules: see Limits.DegradationConfig.
func (c DegradationConfig) WithDefaults() DegradationConfig {
	orDefault(&c.Level, LevelAuto)
	orDefault(&c.SamplesUp, DefaultDegradationSamplesUp)
	orDefault(&c.SamplesDown, DefaultDegradationSamplesDown)
	orDefault(&c.Cooldown, DefaultDegradationCooldown)
	orDefault(&c.BigJobMB, DefaultBigJobMB)
	return c
}

// DefaultRules are the rules of DegradationConfig where it names none. They are beyond what the resource controller
// throttles at: it keeps the host well as long as it can, they are for when that was not enough.
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

// DegradationConfig returns the degradation with its rules: those it names or the default ones, and before them the rule of
// the file system limits, that a disk with less than MinFreeDiskSpaceMB free pauses the agent at once.
func (l Limits) DegradationConfig() DegradationConfig {
	c := l.Degradation.WithDefaults()
	rules := c.Rules
	if len(rules) == 0 {
		rules = DefaultRules()
	}
	c.Rules = nil
	if floor := float64(l.FileSystem.WithDefaults().MinFreeDiskSpaceMB); floor > 0 {
		c.Rules = []Rule{{Metric: MetricDiskFree, Raise: floor, Clear: floor * 1.1, Hard: true, Level: LevelPaused}}
	}
	c.Rules = append(c.Rules, rules...)
	return c
}

// Validate returns every field that is out of range, in one error.
func (c DegradationConfig) Validate() error {
	c = c.WithDefaults()
	var p problems
	if c.Level != LevelAuto && !slices.Contains(Levels(), c.Level) {
		p = append(p, fmt.Errorf("level: %q is neither auto nor one of %v", c.Level, Levels()))
	}
	check(&p, "samples_up", c.SamplesUp, 1, 1000)
	check(&p, "samples_down", c.SamplesDown, 1, 1000)
	checkOff(&p, "cooldown", c.Cooldown, 0, 24*time.Hour)
	check(&p, "big_job_mb", c.BigJobMB, 1, 1<<24)
	const most = 100
	if len(c.Rules) > most {
		p = append(p, fmt.Errorf("rules: %d are more than %d", len(c.Rules), most))
	}
	for i, r := range c.Rules {
		r.validate(&p, fmt.Sprintf("rules.%d", i))
	}
	return p.err()
}

// validate also sees to it that the way back can be reached: a rule that clears at what no host attains never ends.
func (r Rule) validate(p *problems, at string) {
	s, ok := spans[r.Metric]
	if !ok {
		*p = append(*p, fmt.Errorf("%s.metric: %q is none of %v", at, r.Metric, Metrics()))
		return
	}
	check(p, at+".raise", r.Raise, s.from, s.to)
	if s.lowIsBad {
		check(p, at+".clear", r.Clear, r.Raise, s.reachable*r.Raise)
	} else {
		check(p, at+".clear", r.Clear, s.reachable, r.Raise)
	}
	check(p, at+".for", r.For, 0, 24*time.Hour)
	if r.Hard && r.For != 0 {
		*p = append(*p, fmt.Errorf("%s.for: %v, but the rule is hard: it holds at once", at, r.For))
	}
	if r.Level.Rank() == 0 {
		*p = append(*p, fmt.Errorf("%s.level: %q is none of %v", at, r.Level, Levels()[1:]))
	}
}

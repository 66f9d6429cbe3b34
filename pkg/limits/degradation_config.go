package limits

import (
	"fmt"
	"time"

	"github.com/rediverio/sdk/internal/config"
)

// The defaults of DegradationConfig.
const (
	DefaultDegradationSamplesUp   = 3
	DefaultDegradationSamplesDown = 6
	DefaultDegradationCooldown    = time.Minute
	DefaultBigJobMB               = 512
)

const maxRules = 100

// DegradationConfig configures a Degradation. Zero fields mean defaults.
type DegradationConfig struct {
	// Level is auto, where the rules decide, or a fixed level for an exercise, from which only hard rules lead further
	// down. Defaults to auto.
	Level Level `json:"level" yaml:"level"`
	// SamplesUp is the number of consecutive bad samples that a rule needs to apply, besides its For. Defaults to 3.
	SamplesUp int `json:"samples_up" yaml:"samples_up"`
	// SamplesDown is the number of consecutive good samples that end a rule, besides Cooldown. Defaults to 6.
	SamplesDown int `json:"samples_down" yaml:"samples_down"`
	// Cooldown is the minimum time from the last sample that was not good to the end of a rule, and between two steps up.
	// Defaults to 1 minute; -1 disables it.
	Cooldown time.Duration `json:"cooldown" yaml:"cooldown"`
	// BigJobMB is the memory reservation in MiB above which the level minimal accepts no job. Defaults to 512.
	BigJobMB int `json:"big_job_mb" yaml:"big_job_mb"`
	// Rules replace DefaultRules. The rule of file_system.min_free_disk_space_mb always remains.
	Rules []Rule `json:"rules" yaml:"rules"`
}

// WithDefaults returns c with its zero fields replaced by their defaults, except Rules: see Limits.DegradationConfig.
func (c DegradationConfig) WithDefaults() DegradationConfig {
	config.Default(&c.Level, LevelAuto)
	config.Default(&c.SamplesUp, DefaultDegradationSamplesUp)
	config.Default(&c.SamplesDown, DefaultDegradationSamplesDown)
	config.Default(&c.Cooldown, DefaultDegradationCooldown)
	config.Default(&c.BigJobMB, DefaultBigJobMB)
	return c
}

// DegradationConfig returns the configuration of a Degradation with its rules: those of l or the default ones, preceded by
// the rule that pauses the agent at once while a disk has less than MinFreeDiskSpaceMB available.
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

// Validate reports every field that is out of range in one error.
func (c DegradationConfig) Validate() error {
	c = c.WithDefaults()
	v := config.New("limits.degradation")
	levels := []string{string(LevelAuto)}
	for _, l := range Levels() {
		levels = append(levels, string(l))
	}
	v.OneOf("level", string(c.Level), levels...)
	config.Range(v, "samples_up", c.SamplesUp, 1, 1000)
	config.Range(v, "samples_down", c.SamplesDown, 1, 1000)
	config.RangeOrOff(v, "cooldown", c.Cooldown, 0, 24*time.Hour)
	config.Range(v, "big_job_mb", c.BigJobMB, 1, 1<<24)
	if len(c.Rules) > maxRules {
		v.Addf("rules", "%d rules are more than %d", len(c.Rules), maxRules)
	}
	for i, r := range c.Rules {
		v.Nest(fmt.Sprintf("rules.%d", i), r.validate())
	}
	return v.Err()
}

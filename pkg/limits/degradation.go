package limits

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// Degradation determines the level of an agent. It is a state machine without goroutines and clock: its owner calls
// Observe with each sample and applies the change. The level falls at once, by any number of steps; it rises one step at a
// time, with Cooldown between the steps. Its methods may be called concurrently. The nil Degradation is always at LevelFull.
type Degradation struct {
	cfg DegradationConfig

	mu      sync.Mutex // guards everything below
	rules   []ruleState
	level   Level
	since   time.Time // when level was reached
	cause   cause     // of level; zero at LevelFull
	refused int64     // jobs
}

// cause is the reason of a level.
type cause struct {
	rule   Rule
	reason string
}

// NewDegradation returns a Degradation at LevelFull. cfg should come from Limits.DegradationConfig, which adds the rules.
// The error is the one of cfg.Validate.
func NewDegradation(cfg DegradationConfig) (*Degradation, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d := &Degradation{cfg: cfg.WithDefaults(), level: LevelFull, since: time.Now()}
	d.cfg.Rules = slices.Clone(cfg.Rules)
	for _, r := range d.cfg.Rules {
		d.rules = append(d.rules, ruleState{rule: r})
	}
	return d, nil
}

// Change is a change of the level.
type Change struct {
	From, To Level
	Lasted   time.Duration // Lasted is how long From was the level.
	Reason   string        // Reason is the rule with its numbers, such as "memory_percent 93 >= 92".
	Metric   Metric        // Metric is the one of the rule; empty if the configuration fixes the level.
	Value    float64       // Value is the present value of Metric; 0 if it is unknown.
	Limit    float64       // Limit is the bound for Value: Rule.Raise on the way down, Rule.Clear on the way up.
	Signals  Signals       // Signals are all known metrics.
}

// Observe evaluates one sample. It returns the change of the level, if there is one.
func (d *Degradation) Observe(now time.Time, s Signals) (Change, bool) {
	if d == nil {
		return Change{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	want, why := d.evaluateLocked(now, s)
	switch rank := d.level.Rank(); {
	case want.Rank() > rank:
		d.cause = why
		c := d.changeLocked(now, want, s)
		c.Reason, c.Limit = why.reason, why.rule.Raise
		return c, true
	case want.Rank() < rank && now.Sub(d.since) >= max(d.cfg.Cooldown, 0):
		return d.stepUpLocked(now, s), true
	case want == d.level && want != LevelFull:
		d.cause = why // the level is the same, its present reason may be another
	}
	return Change{}, false
}

// forced reports whether the configuration fixes the level, so that only hard rules apply.
func (d *Degradation) forced() bool { return d.cfg.Level != LevelAuto }

// evaluateLocked updates the rules and returns the lowest level that they require.
func (d *Degradation) evaluateLocked(now time.Time, s Signals) (Level, cause) {
	want, why := LevelFull, cause{}
	if d.forced() && d.cfg.Level != LevelFull {
		want, why = d.cfg.Level, cause{reason: "set by limits.degradation.level"}
	}
	for i := range d.rules {
		r := &d.rules[i]
		if d.forced() && !r.rule.Hard {
			continue
		}
		r.observe(now, s, &d.cfg)
		if r.applies && r.rule.Level.Rank() > want.Rank() {
			want, why = r.rule.Level, cause{r.rule, r.rule.reason(r.value)}
		}
	}
	return want, why
}

// stepUpLocked raises the level by one step. The remaining cause may be a rule of the new level, or only the wait for the
// next step.
func (d *Degradation) stepUpLocked(now time.Time, s Signals) Change {
	rule := d.cause.rule
	c := d.changeLocked(now, d.level.above(), s)
	c.Limit, c.Reason = rule.Clear, rule.recovery(s)
	if d.level == LevelFull {
		d.cause = cause{}
	} else {
		d.cause.reason = "recovering: " + c.Reason
	}
	return c
}

func (d *Degradation) changeLocked(now time.Time, to Level, s Signals) Change {
	c := Change{From: d.level, To: to, Lasted: now.Sub(d.since), Metric: d.cause.rule.Metric, Signals: maps.Clone(s)}
	maps.DeleteFunc(c.Signals, func(m Metric, _ float64) bool { _, ok := s.known(m); return !ok })
	c.Value = c.Signals[c.Metric]
	d.level, d.since = to, now
	return c
}

// Event returns the degradation_changed event of the change.
func (c Change) Event() event.Event {
	e := event.Event{Type: event.DegradationChanged, Severity: event.Warn, Duration: c.Lasted, Details: map[string]any{
		"from": string(c.From), "to": string(c.To), "reason": c.Reason, "vitals": c.Signals}}
	if c.Metric != "" {
		e.Details["metric"], e.Details["value"], e.Details["limit"] = string(c.Metric), c.Value, c.Limit
	}
	direction := "lowered"
	if c.To.Rank() < c.From.Rank() {
		e.Severity, direction = event.Info, "raised"
	}
	e.Message = fmt.Sprintf("level %s from %s to %s: %s: %s", direction, c.From, c.To, c.Reason, c.To.Describe())
	return e
}

// Level returns the present level.
func (d *Degradation) Level() Level {
	if d == nil {
		return LevelFull
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.level
}

// Gate returns a *DegradedError while no new job may begin. It is for resource.ControllerConfig.Gate.
func (d *Degradation) Gate() error {
	if d.Level() != LevelPaused {
		return nil
	}
	return d.refusal("")
}

// Refuse returns a *DegradedError if the present level does not accept a job with this priority and this memory
// reservation in bytes.
func (d *Degradation) Refuse(priority int, memory int64) error {
	job := ""
	switch l := d.Level(); {
	case l == LevelPaused:
	case l != LevelFull && priority < 0:
		job = fmt.Sprintf("priority %d", priority)
	case l == LevelMinimal && memory > int64(d.cfg.BigJobMB)<<20:
		job = fmt.Sprintf("a reservation of %d MiB, over %d", memory>>20, d.cfg.BigJobMB)
	default:
		return nil
	}
	d.mu.Lock()
	d.refused++
	d.mu.Unlock()
	return d.refusal(job)
}

func (d *Degradation) refusal(job string) error {
	s := d.State()
	return &DegradedError{Level: s.Level, Since: s.Since, Reason: s.Reason, Job: job}
}

// DegradationState is the state of a Degradation.
type DegradationState struct {
	Level   Level     `json:"level"`
	Since   time.Time `json:"since,omitzero"`   // Since is when the level was reached; zero without a Degradation.
	Off     string    `json:"off"`              // Off describes what the level turns off.
	Reason  string    `json:"reason,omitempty"` // Reason is empty at LevelFull.
	Forced  bool      `json:"forced,omitempty"` // Forced reports whether the configuration fixes the level.
	Refused int64     `json:"refused"`          // Refused counts the jobs that Refuse did not accept.
}

// State returns the present state.
func (d *Degradation) State() DegradationState {
	if d == nil {
		return DegradationState{Level: LevelFull, Off: LevelFull.Describe()}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return DegradationState{Level: d.level, Since: d.since, Off: d.level.Describe(), Reason: d.cause.reason, Forced: d.forced(), Refused: d.refused}
}

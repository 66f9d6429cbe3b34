package limits

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// Degradation finds the level of an agent. It is a state machine without goroutines or clock: whoever owns it calls
// Observe with each sample, and obeys. A level is left for a lower one at once, and upwards one step at a time, each after
// Cooldown. Its methods may be called concurrently, and on nil, which is an agent that is always full.
type Degradation struct {
	cfg    DegradationConfig
	forced bool

	mu    sync.Mutex
	rules []ruleState
	level Level
	since time.Time // of the level
	cause cause     // of the level; none when full

	refused int64 // jobs
}

// cause is what brought the agent to its level.
type cause struct {
	rule   Rule
	reason string
}

// NewDegradation returns a degradation that is at LevelFull until the first Observe. cfg needs its rules: see
// Limits.DegradationConfig. The error is that of Validate.
func NewDegradation(cfg DegradationConfig) (*Degradation, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := cfg.WithDefaults()
	c.Rules = slices.Clone(c.Rules)
	d := &Degradation{cfg: c, forced: c.Level != LevelAuto, level: LevelFull, since: time.Now()}
	for _, r := range c.Rules {
		d.rules = append(d.rules, ruleState{rule: r})
	}
	return d, nil
}

// Change is a new level.
type Change struct {
	From, To Level
	Lasted   time.Duration // how long From was the level
	Reason   string        // the rule with its numbers, e.g. "memory_percent 93 >= 92"
	Metric   Metric        // of the rule; empty where the configuration forces the level
	Value    float64       // of the metric now; 0 where it is not known
	Limit    float64       // what Value is held against: Rule.Raise on the way down, Rule.Clear on the way up
	Vitals   Vitals        // all that is known
}

// Observe takes the numbers of one sample, and returns the change it leads to, if any.
func (d *Degradation) Observe(now time.Time, v Vitals) (Change, bool) {
	if d == nil {
		return Change{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	want, why := d.wantLocked(now, v)
	switch rank := d.level.Rank(); {
	case want.Rank() > rank:
		return d.fallLocked(now, want, why, v), true
	case want.Rank() < rank && now.Sub(d.since) >= max(d.cfg.Cooldown, 0):
		return d.stepUpLocked(now, v), true
	case want == d.level && want != LevelFull: // the reason follows what is wrong now
		d.cause = why
	}
	return Change{}, false
}

// fallLocked goes down, however many levels that is.
func (d *Degradation) fallLocked(now time.Time, to Level, why cause, v Vitals) Change {
	d.cause = why
	c := d.changeLocked(now, to, v)
	c.Reason, c.Limit = why.reason, why.rule.Raise
	return c
}

// wantLocked is the lowest level that a rule asks for, of hard ones alone where the configuration forces a level.
func (d *Degradation) wantLocked(now time.Time, v Vitals) (Level, cause) {
	want, why := LevelFull, cause{}
	if d.forced && d.cfg.Level != LevelFull {
		want, why = d.cfg.Level, cause{reason: "set by limits.degradation.level"}
	}
	for i := range d.rules {
		r := &d.rules[i]
		if d.forced && !r.rule.Hard {
			continue
		}
		r.observe(now, v, &d.cfg)
		if r.holds && r.rule.Level.Rank() > want.Rank() {
			want, why = r.rule.Level, cause{r.rule, r.why()}
		}
	}
	return want, why
}

// stepUpLocked goes one level up. What remains wrong may be a rule of that level, or nothing: then the agent only waits for
// the next step.
func (d *Degradation) stepUpLocked(now time.Time, v Vitals) Change {
	was := d.cause
	c := d.changeLocked(now, d.level.above(), v)
	c.Limit = was.rule.Clear
	c.Reason = was.rule.over(v)
	if d.level == LevelFull {
		d.cause = cause{}
	} else {
		d.cause.reason = "recovering: " + c.Reason
	}
	return c
}

func (d *Degradation) changeLocked(now time.Time, to Level, v Vitals) Change {
	c := Change{From: d.level, To: to, Lasted: now.Sub(d.since), Metric: d.cause.rule.Metric, Vitals: Vitals{}}
	c.Value, _ = v.known(c.Metric)
	for m := range v {
		if value, ok := v.known(m); ok {
			c.Vitals[m] = value
		}
	}
	d.level, d.since = to, now
	return c
}

// Event returns the degradation_changed event of the change.
func (c Change) Event() event.Event {
	e := event.Event{Type: event.DegradationChanged, Severity: event.Warn, Duration: c.Lasted, Details: map[string]any{
		"from": string(c.From), "to": string(c.To), "reason": c.Reason, "vitals": c.Vitals}}
	if c.Metric != "" {
		e.Details["metric"], e.Details["value"], e.Details["limit"] = string(c.Metric), c.Value, c.Limit
	}
	word := "less"
	if c.To.Rank() < c.From.Rank() {
		e.Severity, word = event.Info, "more"
	}
	e.Message = fmt.Sprintf("the agent does %s, %s after %s: %s: %s", word, c.To, c.From, c.Reason, c.To.Describe())
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

// Gate returns an *ErrDegraded while no new job may begin. It is for resource.ControllerConfig.Gate.
func (d *Degradation) Gate() error {
	if d.Level() != LevelPaused {
		return nil
	}
	return d.refusal("")
}

// Refuse returns an *ErrDegraded for a job that the present level takes none of: with this priority, and this
// reservation in bytes.
func (d *Degradation) Refuse(priority int, memory int64) error {
	switch l := d.Level(); {
	case l == LevelPaused:
		return d.refuse("")
	case l != LevelFull && priority < 0:
		return d.refuse(fmt.Sprintf("priority %d", priority))
	case l == LevelMinimal && memory > int64(d.cfg.BigJobMB)<<20:
		return d.refuse(fmt.Sprintf("a reservation of %d MiB, over %d", memory>>20, d.cfg.BigJobMB))
	}
	return nil
}

// refuse is the refusal of a job that has come already.
func (d *Degradation) refuse(job string) error {
	d.mu.Lock()
	d.refused++
	d.mu.Unlock()
	return d.refusal(job)
}

func (d *Degradation) refusal(job string) error {
	s := d.State()
	return &ErrDegraded{Level: s.Level, Since: s.Since, Reason: s.Reason, Job: job}
}

// DegradationState is how much an agent does in one moment.
type DegradationState struct {
	Level  Level     `json:"level"`
	Since  time.Time `json:"since,omitzero"`   // zero: there is no degradation
	Off    string    `json:"off"`              // what the level turns off
	Reason string    `json:"reason,omitempty"` // empty at LevelFull
	Forced bool      `json:"forced,omitempty"` // the configuration says so, not the rules

	Refused int64 `json:"refused"` // jobs that Refuse found too much for the level, since the beginning
}

// State returns the present state.
func (d *Degradation) State() DegradationState {
	if d == nil {
		return DegradationState{Level: LevelFull, Off: LevelFull.Describe()}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return DegradationState{Level: d.level, Since: d.since, Off: d.level.Describe(), Reason: d.cause.reason, Forced: d.forced, Refused: d.refused}
}

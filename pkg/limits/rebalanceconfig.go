package limits

import (
	"fmt"
	"time"
)

// The defaults of RebalanceConfig.
const (
	DefaultRebalanceInterval  = 30 * time.Second
	DefaultRebalanceMinChange = 0.1
	DefaultLookahead          = 5 * time.Minute
	DefaultWarmUp             = 10
)

// The policies that RebalanceConfig knows by name.
const (
	PolicyOff        = "off"
	PolicyLoad       = "load"
	PolicyPredictive = "predictive"
)

// RebalanceConfig says whether and how guarantees of resource.ControllerConfig.Budgets move between components. Zero fields
// mean defaults.
type RebalanceConfig struct {
	// Policy is off; load, which gives what is unused to who waits; or predictive, which does so by what is expected after
	// Lookahead. Default off.
	Policy string `json:"policy" yaml:"policy"`
	// Interval is the time between two runs of the policy; default 30s. A change comes when two runs in a row propose one.
	Interval time.Duration `json:"interval" yaml:"interval"`
	// MinChange is the share of all that is guaranteed, 0 to 1, below which a change is not worth it, unless it gives
	// back to its owner what that wants; default 0.1.
	MinChange float64 `json:"min_change" yaml:"min_change"`
	// DryRun records what would change, and changes nothing.
	DryRun bool `json:"dry_run" yaml:"dry_run"`
	// Lookahead is how far ahead the predictive policy looks; default 5m, or Interval where that is longer.
	Lookahead time.Duration `json:"lookahead" yaml:"lookahead"`
	// WarmUp is how many runs the predictive policy learns from before it proposes anything; default 10.
	WarmUp int `json:"warm_up" yaml:"warm_up"`

	Custom Policy `json:"-" yaml:"-"` // in place of the one that Policy names; nil: none
}

// WithDefaults returns c with its zero fields filled in.
func (c RebalanceConfig) WithDefaults() RebalanceConfig {
	orDefault(&c.Policy, PolicyOff)
	orDefault(&c.Interval, DefaultRebalanceInterval)
	orDefault(&c.MinChange, DefaultRebalanceMinChange)
	orDefault(&c.Lookahead, max(DefaultLookahead, c.Interval))
	orDefault(&c.WarmUp, DefaultWarmUp)
	return c
}

// Off reports whether nothing is to be moved.
func (c RebalanceConfig) Off() bool { return c.Custom == nil && c.WithDefaults().Policy == PolicyOff }

// Validate returns every field that is out of range, in one error.
func (c RebalanceConfig) Validate() error {
	c = c.WithDefaults()
	var p problems
	switch c.Policy {
	case PolicyOff, PolicyLoad, PolicyPredictive:
	default:
		p = append(p, fmt.Errorf("policy: %.40q: want %s, %s or %s", c.Policy, PolicyOff, PolicyLoad, PolicyPredictive))
	}
	check(&p, "interval", c.Interval, time.Second, 24*time.Hour)
	check(&p, "min_change", c.MinChange, 0.001, 1)
	check(&p, "lookahead", c.Lookahead, max(c.Interval, time.Second), 24*time.Hour)
	check(&p, "warm_up", c.WarmUp, 1, 1<<20)
	return p.err()
}

// policy returns the one that is named, nil for none.
func (c RebalanceConfig) policy() Policy {
	switch {
	case c.Custom != nil:
		return c.Custom
	case c.Policy == PolicyLoad:
		return LoadPolicy{}
	case c.Policy == PolicyPredictive:
		return &PredictivePolicy{Lookahead: c.Lookahead, WarmUp: c.WarmUp}
	}
	return nil
}

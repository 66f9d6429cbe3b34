package limits

import (
	"time"

	"github.com/rediverio/sdk/internal/config"
)

// The defaults of RebalanceConfig.
const (
	DefaultRebalanceInterval  = 30 * time.Second
	DefaultRebalanceMinChange = 0.1
	DefaultLookahead          = 5 * time.Minute
	DefaultWarmUp             = 10
)

// The values of RebalanceConfig.Policy.
const (
	PolicyOff        = "off"
	PolicyLoad       = "load"
	PolicyPredictive = "predictive"
)

// RebalanceConfig configures whether and how the guarantees of resource.ControllerConfig.Budgets move between components.
// Zero fields mean defaults.
type RebalanceConfig struct {
	// Policy is off; load, which moves unused guarantees to components that wait; or predictive, which does so by the
	// demand it expects after Lookahead. Defaults to off.
	Policy string `json:"policy" yaml:"policy"`
	// Interval is the minimum time between two runs of the policy. Guarantees change when two consecutive runs propose a
	// change. Defaults to 30 seconds.
	Interval time.Duration `json:"interval" yaml:"interval"`
	// MinChange is the fraction of all guarantees below which a change is not made, unless it returns to a component a
	// part of its own guarantee that it wants. Defaults to 0.1.
	MinChange float64 `json:"min_change" yaml:"min_change"`
	// DryRun records what would change without changing it.
	DryRun bool `json:"dry_run" yaml:"dry_run"`
	// Lookahead is how far ahead the predictive policy looks. Defaults to 5 minutes, or Interval if that is longer.
	Lookahead time.Duration `json:"lookahead" yaml:"lookahead"`
	// WarmUp is the number of runs that the predictive policy learns from before its first proposal. Defaults to 10.
	WarmUp int `json:"warm_up" yaml:"warm_up"`

	// Custom replaces the policy that Policy names. It may be nil.
	Custom Policy `json:"-" yaml:"-"`
}

// WithDefaults returns c with its zero fields replaced by their defaults.
func (c RebalanceConfig) WithDefaults() RebalanceConfig {
	config.Default(&c.Policy, PolicyOff)
	config.Default(&c.Interval, DefaultRebalanceInterval)
	config.Default(&c.MinChange, DefaultRebalanceMinChange)
	config.Default(&c.Lookahead, max(DefaultLookahead, c.Interval))
	config.Default(&c.WarmUp, DefaultWarmUp)
	return c
}

// Off reports whether no policy is configured.
func (c RebalanceConfig) Off() bool { return c.Custom == nil && c.WithDefaults().Policy == PolicyOff }

// Validate reports every field that is out of range in one error.
func (c RebalanceConfig) Validate() error {
	c = c.WithDefaults()
	v := config.New("limits.rebalancing")
	v.OneOf("policy", c.Policy, PolicyOff, PolicyLoad, PolicyPredictive)
	config.Range(v, "interval", c.Interval, time.Second, 24*time.Hour)
	config.Range(v, "min_change", c.MinChange, 0.001, 1)
	config.Range(v, "lookahead", c.Lookahead, max(c.Interval, time.Second), 24*time.Hour)
	config.Range(v, "warm_up", c.WarmUp, 1, 1<<20)
	return v.Err()
}

func (c RebalanceConfig) newPolicy() Policy {
	switch {
	case c.Custom != nil:
		return c.Custom
	case c.Policy == PolicyPredictive:
		return &PredictivePolicy{Lookahead: c.Lookahead, WarmUp: c.WarmUp}
	}
	return LoadPolicy{}
}

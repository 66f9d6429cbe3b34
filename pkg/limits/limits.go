package limits

import "errors"

// Limits are all limit sets of an agent, and its behaviour when they do not keep the host healthy. The zero value means
// the defaults with the rate limit and the circuit breaker off; see DefaultLimits.
type Limits struct {
	// Computational is for programs. In the operator's file the section resource sets these quantities.
	Computational ComputationalLimits `json:"computational" yaml:"-"`
	Memory        MemoryLimits        `json:"memory" yaml:"memory"`
	Network       NetworkLimits       `json:"network" yaml:"network"`
	FileSystem    FileSystemLimits    `json:"file_system" yaml:"file_system"`
	Degradation   DegradationConfig   `json:"degradation" yaml:"degradation"`
	Rebalancing   RebalanceConfig     `json:"rebalancing" yaml:"rebalancing"`
}

// DefaultLimits returns the defaults of all sets.
func DefaultLimits() Limits {
	return Limits{Network: DefaultNetworkLimits()}.WithDefaults()
}

// WithDefaults returns l with the zero fields of all sets replaced by their defaults.
func (l Limits) WithDefaults() Limits {
	return Limits{l.Computational.WithDefaults(), l.Memory.WithDefaults(), l.Network.WithDefaults(), l.FileSystem.WithDefaults(),
		l.Degradation.WithDefaults(), l.Rebalancing.WithDefaults()}
}

// Validate reports every field of every set that is out of range in one error.
func (l Limits) Validate() error {
	return errors.Join(l.Computational.Validate(), l.Memory.Validate(), l.Network.Validate(), l.FileSystem.Validate(),
		l.Degradation.Validate(), l.Rebalancing.Validate())
}

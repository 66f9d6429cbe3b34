package pool

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/rediverio/sdk/pkg/event"
)

// withDefaults returns c with every default in place, and 0 for what is off.
func (c Config) withDefaults() Config {
	c.Command, c.Env, c.Shutdown = slices.Clone(c.Command), slices.Clone(c.Env), slices.Clone(c.Shutdown)
	if c.Name == "" {
		c.Name = filepath.Base(c.Command[0])
	}
	if c.Env == nil {
		for _, name := range []string{"PATH", "HOME"} {
			if v, ok := os.LookupEnv(name); ok {
				c.Env = append(c.Env, name+"="+v)
			}
		}
	}
	if c.Framing == "" {
		c.Framing = Lines
	}
	c.Max = orDefault(c.Max, DefaultMax)
	c.IdleTimeout = orDefault(c.IdleTimeout, DefaultIdleTimeout)
	c.MemoryBytes = orDefault(c.MemoryBytes, DefaultMemoryBytes)
	c.HardMemoryBytes = orDefault(c.HardMemoryBytes, 2*c.MemoryBytes)
	c.StartTimeout = orDefault(c.StartTimeout, DefaultStartTimeout)
	c.CallTimeout = orDefault(c.CallTimeout, DefaultCallTimeout)
	c.WaitTimeout = orDefault(c.WaitTimeout, DefaultWaitTimeout)
	c.MaxWaiting = orDefault(c.MaxWaiting, DefaultMaxWaiting)
	c.Grace = orDefault(c.Grace, DefaultGrace)
	c.MaxMessageBytes = orDefault(c.MaxMessageBytes, DefaultMaxMessageBytes)
	c.MaxUnsolicited = orDefault(c.MaxUnsolicited, DefaultMaxUnsolicited)
	c.HealthInterval = orDefault(c.HealthInterval, DefaultHealthInterval)
	c.HealthTimeout = orDefault(c.HealthTimeout, DefaultHealthTimeout)
	c.MaxFailures = orDefault(c.MaxFailures, DefaultMaxFailures)
	c.Backoff = orDefault(c.Backoff, DefaultBackoff)
	c.MaxBackoff = max(orDefault(c.MaxBackoff, DefaultMaxBackoff), c.Backoff)
	c.Sink = event.OrNop(c.Sink)
	return c
}

// orDefault returns def for 0 and 0 for -1.
func orDefault[T ~int | ~int64](v, def T) T {
	switch v {
	case 0:
		return def
	case -1:
		return 0
	}
	return v
}

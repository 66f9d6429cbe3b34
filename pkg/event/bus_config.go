package event

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"time"
)

// Priority is the queue an event waits in.
type Priority int

// The priorities. A worker takes from High while there is something, then from Medium, then from Low.
const (
	High   Priority = iota // severity ERROR and CRITICAL
	Medium                 // INFO and WARN
	Low                    // DEBUG
)

// Policy says what gives way when an event finds its queue full.
type Policy string

// The policies.
const (
	DropOldest Policy = "drop-oldest" // the oldest event of the same queue
	DropNewest Policy = "drop-newest" // the event itself

	// DropLowPriority takes the three sizes as one: when all are used up, the oldest event of the lowest priority
	// below the new one gives way; the new one does when there is none.
	DropLowPriority Policy = "drop-low-priority"

	// Block waits for room, up to BlockTimeout, and then drops the event itself. It breaks the promise of a Sink not
	// to block, and is for producers who may wait. A handler that publishes to its own bus should not use it.
	Block Policy = "block"
)

// BusConfig bounds a Bus. A zero field means its default.
type BusConfig struct {
	Workers        int               // goroutines that call handlers; default max(4, min(2.5 × CPUs, 32)); 1 keeps the order
	QueueSizes     [3]int            // events that may wait, by Priority; default 100, 500, 1000
	Policy         Policy            // default DropOldest
	Priorities     map[Type]Priority // of these types, whatever their severity; default none
	HandlerTimeout time.Duration     // after which a handler's context ends and it counts as timed out; default 5s; -1: never
	BlockTimeout   time.Duration     // longest wait under Block; default 1s
}

// The defaults of BusConfig.
const (
	DefaultHighQueue      = 100
	DefaultMediumQueue    = 500
	DefaultLowQueue       = 1000
	DefaultHandlerTimeout = 5 * time.Second
	DefaultBlockTimeout   = time.Second
	MinDefaultWorkers     = 4
	MaxDefaultWorkers     = 32
)

// DefaultWorkers is the number of workers of a Bus on this machine: 2.5 for each CPU, 4 at least and 32 at most.
func DefaultWorkers() int {
	return max(MinDefaultWorkers, min(runtime.NumCPU()*5/2, MaxDefaultWorkers))
}

func (c BusConfig) withDefaults() BusConfig {
	if c.Workers == 0 {
		c.Workers = DefaultWorkers()
	}
	for p, size := range [3]int{DefaultHighQueue, DefaultMediumQueue, DefaultLowQueue} {
		if c.QueueSizes[p] == 0 {
			c.QueueSizes[p] = size
		}
	}
	if c.Policy == "" {
		c.Policy = DropOldest
	}
	if c.HandlerTimeout == 0 {
		c.HandlerTimeout = DefaultHandlerTimeout
	}
	if c.BlockTimeout == 0 {
		c.BlockTimeout = DefaultBlockTimeout
	}
	c.Priorities = maps.Clone(c.Priorities)
	return c
}

// Validate returns every field that is out of range, in one error.
func (c BusConfig) Validate() error {
	c = c.withDefaults()
	var errs []error
	add := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	if c.Workers < 1 || c.Workers > 1024 {
		add("Workers: %d is outside 1 to 1024", c.Workers)
	}
	for p, n := range c.QueueSizes {
		if n < 1 || n > 1<<20 {
			add("QueueSizes[%d]: %d is outside 1 to %d", p, n, 1<<20)
		}
	}
	switch c.Policy {
	case DropOldest, DropNewest, DropLowPriority, Block:
	default:
		add("Policy: %q is none of %s, %s, %s, %s", c.Policy, DropOldest, DropNewest, DropLowPriority, Block)
	}
	for t, p := range c.Priorities {
		if p < High || p > Low {
			add("Priorities[%s]: %d is outside %d to %d", t, p, High, Low)
		}
	}
	if c.HandlerTimeout != -1 && (c.HandlerTimeout < time.Millisecond || c.HandlerTimeout > time.Hour) {
		add("HandlerTimeout: %v is outside 1ms to 1h (or -1: off)", c.HandlerTimeout)
	}
	if c.BlockTimeout < time.Millisecond || c.BlockTimeout > time.Minute {
		add("BlockTimeout: %v is outside 1ms to 1m", c.BlockTimeout)
	}
	return errors.Join(errs...)
}

// priority is the queue of e.
func (c *BusConfig) priority(e *Event) Priority {
	if p, ok := c.Priorities[e.Type]; ok {
		return p
	}
	switch {
	case e.Severity.Rank() >= Error.Rank():
		return High
	case e.Severity == Debug:
		return Low
	}
	return Medium
}

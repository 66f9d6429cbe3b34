package event

import (
	"fmt"
	"runtime"
	"time"

	"github.com/rediverio/sdk/internal/config"
)

// Priority selects the queue in which an event waits. It follows from the event's severity.
type Priority int

// The priorities. Workers take events of a higher priority first.
const (
	High   Priority = iota // ERROR and CRITICAL
	Medium                 // INFO and WARN
	Low                    // DEBUG
)

// priorityOf returns the priority of events of severity s.
func priorityOf(s Severity) Priority {
	switch {
	case s.Rank() >= Error.Rank():
		return High
	case s == Debug:
		return Low
	}
	return Medium
}

// Policy decides which event is dropped when a queue is full.
type Policy string

// The policies.
const (
	// DropOldest drops the oldest event of the same queue.
	DropOldest Policy = "drop-oldest"
	// DropNewest drops the new event.
	DropNewest Policy = "drop-newest"
	// DropLowPriority treats the three queues as one. If they are full, it drops the oldest event of the lowest priority
	// that is lower than the new event's, and the new event if there is none.
	DropLowPriority Policy = "drop-low-priority"
	// Block makes Record wait for space, and drops the new event if there is none after a second. Such a Bus does not keep
	// the promise of a Sink not to block. A handler must not record to its own Bus under this policy.
	Block Policy = "block"
)

// blockTimeout is the maximum time that Record waits under Block.
const blockTimeout = time.Second

// BusConfig configures a Bus. A zero field means its default.
type BusConfig struct {
	// Workers is the number of goroutines that call handlers. With one worker, handlers see the events of a priority in
	// order. Defaults to DefaultWorkers.
	Workers int
	// QueueSizes are the maximum numbers of events that wait, by Priority. They default to 100, 500 and 1000.
	QueueSizes [3]int
	// Policy decides which event is dropped when a queue is full. Defaults to DropOldest.
	Policy Policy
}

// DefaultWorkers returns the default number of workers of a Bus: 2.5 per CPU, at least 4 and at most 32.
func DefaultWorkers() int { return max(4, min(runtime.NumCPU()*5/2, 32)) }

func (c BusConfig) withDefaults() BusConfig {
	config.Default(&c.Workers, DefaultWorkers())
	config.Default(&c.QueueSizes[High], 100)
	config.Default(&c.QueueSizes[Medium], 500)
	config.Default(&c.QueueSizes[Low], 1000)
	config.Default(&c.Policy, DropOldest)
	return c
}

// Validate returns all problems of c in one error.
func (c BusConfig) Validate() error {
	c = c.withDefaults()
	v := config.New("bus")
	config.Range(v, "workers", c.Workers, 1, 1024)
	for p, size := range c.QueueSizes {
		config.Range(v, fmt.Sprintf("queue_sizes[%d]", p), size, 1, 1<<20)
	}
	v.OneOf("policy", string(c.Policy), string(DropOldest), string(DropNewest), string(DropLowPriority), string(Block))
	return v.Err()
}

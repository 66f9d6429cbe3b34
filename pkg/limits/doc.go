// Package limits holds the limits an operator sets for the agent itself, in four sets, and what enforces them.
//
// A limit that enforces nothing does not exist: each field names what holds it.
//
//	ComputationalLimits  thresholds and jobs of the resource controller; goroutines of a Group
//	MemoryLimits         the Go heap of the agent; thresholds of the resource controller
//	NetworkLimits        connections, rates, sizes and timeouts of a Transport, and its circuit breaker
//	FileSystemLimits     free disk space
//
// A zero field means its default, -1 means off where the comment says so, and Validate returns all problems at
// once. A value that is refused at run time is an *ErrLimit, which names field, value and bound; a host that
// does not answer is an *ErrCircuitOpen.
//
// # In trouble
//
// Where all that does not keep the host well, a Degradation finds the Level at which the agent goes on: rules over Vitals
// bring it down, and up again when they are over. A HeapGuard keeps work from a heap that is full of what is alive.
//
// # Guarantees that move
//
// A Rebalancer asks a Policy how the guarantees of resource.ControllerConfig.Budgets should be divided: by LoadPolicy as they
// are needed now, by PredictivePolicy as they will be.
//
// # How near
//
// Whatever holds a limit returns its Usage: what is taken of it, what it refused, what waited for it.
//
// # Units
//
// Sizes are MiB where the name ends in MB, in the configuration and in the field. (The document these sets come
// from sets max_heap_size_mb to a number of bytes; such a value is refused here.) Thresholds are fractions, 0.8 for
// 80 percent; those of resource.ControllerConfig are percentages. Durations are time.Duration: "30s" in YAML,
// nanoseconds in JSON.
//
// # Left out
//
// The sets have more fields in the document they come from. docs/limits.md names each and says what limits that thing
// here, or why there is nothing to limit.
package limits

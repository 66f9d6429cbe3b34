// Package limits holds the limits that an operator sets for the agent itself, and what enforces them.
//
// Every field names what enforces it; a limit that enforces nothing does not exist.
//
//	ComputationalLimits  thresholds and jobs of the resource controller
//	MemoryLimits         the Go heap of the agent, thresholds of the resource controller
//	NetworkLimits        connections, rates, sizes, timeouts and circuit breaker of package transport
//	FileSystemLimits     free disk space
//
// A zero field means its default, -1 means off where the comment allows it, and Validate reports all problems at once. A
// limit that is reached at run time is a *LimitError, which names the setting, the value and the bound.
//
// # One owner per quantity
//
// The section resource of the operator's file owns the number of jobs at a time, the thresholds and the sample interval.
// The fields of ComputationalLimits and MemoryLimits for them are for programs; Limits.ControllerConfig merges them and
// reports conflicts.
//
// # Degradation
//
// If the limits do not keep the host healthy, a Degradation lowers the Level of the agent by rules over Signals, and raises
// it again when the rules no longer apply. A HeapGuard stops new work while live objects fill the heap.
//
// # Rebalancing
//
// A Rebalancer asks a Policy how the guarantees of resource.ControllerConfig.Budgets should be divided: LoadPolicy follows
// the present demand, PredictivePolicy the expected one.
//
// Degradation and Rebalancer have no goroutines or clocks. Their owner calls Observe, typically with each sample of the
// controller (resource.Controller.Subscribe).
//
// # Units
//
// Sizes are MiB where the name ends in MB. The specification of these sets gives max_heap_size_mb in bytes; such a value is
// rejected here. Thresholds are fractions, such as 0.8 for 80 percent; those of resource.ControllerConfig are percentages.
// Durations are time.Duration: "30s" in YAML, nanoseconds in JSON.
//
// # Left out
//
// The specification has more fields. docs/limits.md lists each with what limits that quantity here, or why there is nothing
// to limit.
package limits

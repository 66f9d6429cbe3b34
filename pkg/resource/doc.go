// Package resource decides whether another job may start on this host.
//
// A [Controller] samples the host (CPU, memory, control groups, pressure), and grants slots while resources allow it:
//
//	sampler ──► gate ──► admission ──► Slot
//	real CPU,   3 samples  slots, memory   Release
//	memory,     up, 6 down reserved, order
//	pressure
//
// [Controller.AcquireSlot] never blocks, [Controller.AcquireSlotBlocking] waits without polling, and
// [Controller.Acquire] takes a [Request] with a weight, a memory reservation and a priority, and returns a [Slot]
// whose Release may be called more than once. The counter pair AcquireSlot/ReleaseSlot cannot tell callers apart; new
// code should use Acquire.
//
// # Order of service
//
// Higher priority first, then order of arrival. A waiter that does not fit does not block the ones behind it as long as
// passing it cannot delay it, which is when the jobs admitted past it, the candidate and the waiter itself fit together. Any
// other pass is counted, and after MaxBypass of them the waiter is passed no more. So a large job starts after the jobs that
// were running when it arrived, those ahead of it, and at most MaxBypass others, whatever the load and the priorities.
//
// # Budgets
//
// [ControllerConfig].Budgets divide slots and memory among components: each is guaranteed a part, lends what it does not use,
// and gets it back before any other component is served. docs/limits.md has the rules, and an example with numbers.
//
// # Throttling
//
// Admission stops when a threshold is reached in 3 consecutive samples, and resumes after 6 consecutive samples that are 10
// points lower, once the cooldown is over. Available memory below the reserve, or a process killed because memory was short,
// stops it at once. While it is stopped MinConcurrentJobs are still admitted, unless memory is short right now.
//
// # Numbers
//
// A number that is unknown has an empty source in [SystemMetrics] and decides nothing.
package resource

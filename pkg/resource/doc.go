// Package resource decides whether another job may start on this host.
//
// A [Controller] samples the host (CPU, memory, control groups, pressure), and grants slots while there is room:
//
//	sampler ──► gate ──► admission ──► Slot
//	real CPU,   3 samples  slots, memory   Release
//	memory,     up, 6 down reserved, order
//	pressure
//
// [Controller.AcquireSlot] never blocks, [Controller.AcquireSlotBlocking] waits without polling, and
// [Controller.Acquire] takes a [Request] with a weight, a memory reservation and a priority, and returns a [Slot]
// that may be released twice without harm. The counter pair AcquireSlot/ReleaseSlot cannot tell who releases; new
// code takes Acquire.
//
// # Order of service
//
// Higher priority first, then order of arrival. A waiter that does not fit does not hold up the ones behind it as
// long as passing it cannot delay it: what was admitted past it, the candidate and the waiter itself fit together.
// Any other pass is counted, and a waiter that was passed MaxBypass times is passed in no such way again. So a large job starts
// after the jobs that ran before it came, those whose turn was before its, and at most MaxBypass others, whatever the load
// and the priorities.
//
// # Budgets
//
// [ControllerConfig].Budgets divide what there is among components: each is guaranteed a part, lends what is idle of it, and
// has it back before anybody else is served. docs/limits.md has the rules, and an example with numbers.
//
// # Throttling
//
// The gate closes when a threshold is reached in 3 samples running, and opens after 6 samples running that are 10
// points lower, once the cooldown is over. Available memory under the reserve, or a kill for want of memory, closes
// it at once. While it is closed MinConcurrentJobs still run, except when memory is short right now.
//
// # Numbers
//
// No number is made up. What is not known has an empty source in [SystemMetrics], and decides nothing.
package resource

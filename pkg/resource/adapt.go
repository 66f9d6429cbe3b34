package resource

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// minWindow is the shortest time between two changes of the advice.
const minWindow = 30 * time.Second

// adviser determines the number of jobs that the host can carry: one more after a calm window in which a request found no free
// slot, one fewer after CPU trouble, half after memory trouble, with one change in a window. It does not use the duration of
// jobs, which depends on the size of the repository and not on the load.
type adviser struct {
	since       time.Time       // start of the window
	cpu, memory bool            // trouble in the window
	why         *ThrottledError // the trouble, memory before CPU; nil in a calm window
	bound       bool            // a request found no free slot
	advice      int
}

// restart starts a window with n as the advice.
func (a *adviser) restart(now time.Time, n int) { *a = adviser{since: now, advice: n} }

// observe adds a sample to the window.
func (a *adviser) observe(levels []level, hard *ThrottledError) {
	if hard != nil {
		a.memory, a.why = true, hard
	}
	for _, l := range levels {
		if l.value < l.limit {
			continue
		}
		if a.why == nil || !a.memory && l.resource != CPU {
			a.why = &ThrottledError{Resource: l.resource, Value: l.value, Limit: l.limit}
		}
		a.cpu = a.cpu || l.resource == CPU
		a.memory = a.memory || l.resource != CPU
	}
}

// next returns the number of jobs after a window with n.
func (a *adviser) next(n int) int {
	switch {
	case a.memory:
		return n / 2
	case a.cpu:
		return n - 1
	case a.bound:
		return n + 1
	}
	return n
}

// adaptLocked ends a window whose time is over with a new advice, and applies it with AdaptiveConcurrency.
func (c *Controller) adaptLocked(now time.Time) []note {
	a := &c.adviser
	if now.Sub(a.since) < max(minWindow, c.cfg.CooldownDuration) {
		return nil
	}
	from, lasted, why := c.max, now.Sub(a.since), a.why
	most := min(max(c.cfg.MaxConcurrentJobs, from), c.ceiling)
	a.restart(now, min(max(a.next(from), c.cfg.MinConcurrentJobs), most))
	if !c.cfg.AdaptiveConcurrency || a.advice == from {
		return nil
	}
	c.resizeLocked(a.advice)
	return []note{c.adaptedLocked(from, lasted, why)}
}

// adaptedLocked returns the event of a change. why is nil after a calm window.
func (c *Controller) adaptedLocked(from int, lasted time.Duration, why *ThrottledError) note {
	reason, severity := "the host was calm and jobs waited", event.Info
	var what *crossing
	if why != nil {
		reason, severity, what = why.Reason(), event.Warn, &crossing{ThrottledError: why}
	}
	e := c.eventLocked(event.ConcurrencyChanged, severity, fmt.Sprintf("%d slots instead of %d: %s", c.max, from, reason), what)
	delete(e.Details, "samples") // the reason holds for the whole window
	e.Details["from"], e.Details["to"], e.Details["reason"] = from, c.max, reason
	e.Duration = lasted
	return note{event: e}
}

// mostLocked returns the number of slots that the controller can reach by itself. A request for more is too large.
func (c *Controller) mostLocked() int {
	if c.cfg.AdaptiveConcurrency {
		return max(c.cfg.MaxConcurrentJobs, c.max)
	}
	return c.max
}

// allLocked returns the number of slots without ceiling and adaptation.
func (c *Controller) allLocked() int {
	if c.cfg.AdaptiveConcurrency {
		return max(c.cfg.MaxConcurrentJobs, c.wanted)
	}
	return c.wanted
}

// AdaptiveMaxJobs recommends a number of jobs for SetMaxConcurrentJobs: between MinConcurrentJobs and the
// configured MaxConcurrentJobs, changed at most once in 30 seconds or CooldownDuration. Before the first sample
// it returns the present maximum. With ControllerConfig.AdaptiveConcurrency the controller applies it by itself.
func (c *Controller) AdaptiveMaxJobs() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.adviser.advice
}

var gcMu sync.Mutex

// ForceGC runs a garbage collection and returns free memory to the operating system. It blocks until that is done; a call
// during another one returns at once.
func (c *Controller) ForceGC() {
	if gcMu.TryLock() {
		defer gcMu.Unlock()
		debug.FreeOSMemory()
	}
}

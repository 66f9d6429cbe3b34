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

// adviser finds a number of jobs the host can bear: one more after a calm window in which the limit was binding,
// one fewer after CPU trouble, half after memory trouble, one change a window. It looks at pressure, not at how
// long jobs take: that depends on the size of the repository, not on the load.
type adviser struct {
	since       time.Time       // begin of the window
	cpu, memory bool            // trouble in the window
	why         *ThrottledError // the trouble, that of memory first; nil: none
	bound       bool            // a request found no free slot
	advice      int
}

// restart begins a window with n as the advice.
func (a *adviser) restart(now time.Time, n int) { *a = adviser{since: now, advice: n} }

// observe takes what a sample says into the window.
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

// next is the number of jobs after a window in which there were n.
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

// adaptLocked ends a window that is over with a new advice, and does as it says where the config wants that.
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

// adaptedLocked is the event of a change. why is nil after a calm window.
func (c *Controller) adaptedLocked(from int, lasted time.Duration, why *ThrottledError) note {
	reason, severity := "the host was calm and jobs waited", event.Info
	var what *crossing
	if why != nil {
		reason, severity, what = why.Reason(), event.Warn, &crossing{ThrottledError: why}
	}
	e := c.eventLocked(event.ConcurrencyChanged, severity, fmt.Sprintf("%d slots instead of %d: %s", c.max, from, reason), what)
	delete(e.Details, "samples") // of the whole window
	e.Details["from"], e.Details["to"], e.Details["reason"] = from, c.max, reason
	e.Duration = lasted
	return note{event: e}
}

// mostLocked is the number of slots that there can be without somebody's word: more than that is too large a request.
func (c *Controller) mostLocked() int {
	if c.cfg.AdaptiveConcurrency {
		return max(c.cfg.MaxConcurrentJobs, c.max)
	}
	return c.max
}

// allLocked is the number of slots that there are without a ceiling and an adaptation.
func (c *Controller) allLocked() int {
	if c.cfg.AdaptiveConcurrency {
		return max(c.cfg.MaxConcurrentJobs, c.wanted)
	}
	return c.wanted
}

// AdaptiveMaxJobs recommends a number of jobs for SetMaxConcurrentJobs: between MinConcurrentJobs and the
// configured MaxConcurrentJobs, changed at most once each 30 seconds or CooldownDuration. Before there are samples
// it is the present maximum. With ControllerConfig.AdaptiveConcurrency the controller follows it by itself.
func (c *Controller) AdaptiveMaxJobs() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.adviser.advice
}

var gcMu sync.Mutex

// ForceGC collects garbage and gives free memory back to the system. It blocks while it works; a call during
// another one returns at once.
func (c *Controller) ForceGC() {
	if gcMu.TryLock() {
		defer gcMu.Unlock()
		debug.FreeOSMemory()
	}
}

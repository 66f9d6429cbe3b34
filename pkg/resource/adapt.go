package resource

import (
	"runtime/debug"
	"sync"
	"time"
)

// minWindow is the shortest time between two changes of the advice.
const minWindow = 30 * time.Second

// adviser finds a number of jobs the host can bear: one more after a calm window in which the limit was binding,
// one fewer after CPU trouble, half after memory trouble, one change a window. It looks at pressure, not at how
// long jobs take: that depends on the size of the repository, not on the load.
type adviser struct {
	since       time.Time // begin of the window
	cpu, memory bool      // trouble in the window
	bound       bool      // a request found no free slot
	advice      int
}

// restart begins a window with n as the advice.
func (a *adviser) restart(now time.Time, n int) { *a = adviser{since: now, advice: n} }

// observe takes a sample; c.mu is held.
func (a *adviser) observe(now time.Time, levels []level, hard *ErrThrottled, c *Controller) {
	a.memory = a.memory || hard != nil
	for _, l := range levels {
		if hot := l.value >= l.limit; hot && l.resource == CPU {
			a.cpu = true
		} else if hot {
			a.memory = true
		}
	}
	if now.Sub(a.since) < max(minWindow, c.cfg.CooldownDuration) {
		return
	}
	n := c.max
	switch {
	case a.memory:
		n /= 2
	case a.cpu:
		n--
	case a.bound:
		n++
	}
	a.restart(now, min(max(n, c.cfg.MinConcurrentJobs), max(c.cfg.MaxConcurrentJobs, c.max)))
}

// AdaptiveMaxJobs recommends a number of jobs for SetMaxConcurrentJobs: between MinConcurrentJobs and the
// configured MaxConcurrentJobs, changed at most once each 30 seconds or CooldownDuration. Before there are samples
// it is the present maximum.
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

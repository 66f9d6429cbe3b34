package pipeline

import (
	"sync"
	"time"
)

// gate holds uploads back while the receiver is unreachable or refuses the credentials, which says nothing of
// the part that was tried. After a pause one upload probes; its success opens the gate for all.
type gate struct {
	maxPause time.Duration

	mu       sync.Mutex
	failures int       // in a row, that concern the receiver
	pauses   int       // since it last answered
	until    time.Time // zero: open
	reason   string
	probing  bool
}

// gateFailures in a row close the gate: one alone may be an accident of its part.
const gateFailures = 3

// firstPause is the first pause; each further one is twice as long, up to maxPause.
const firstPause = time.Second

// enter says whether an upload may begin now, and whether it is the probe; if it may not, when to ask again. A zero
// time means: when the probe under way has ended.
func (g *gate) enter(now time.Time) (ok bool, again time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.until.IsZero():
		return true, time.Time{}
	case now.Before(g.until):
		return false, g.until
	case g.probing:
		return false, time.Time{}
	}
	g.probing = true
	return true, time.Time{}
}

// leave takes back an enter that led to no upload.
func (g *gate) leave() {
	g.mu.Lock()
	g.probing = false
	g.mu.Unlock()
}

// answered opens the gate: the receiver has said something about a part.
func (g *gate) answered() (reopened bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	reopened = !g.until.IsZero()
	g.failures, g.pauses, g.until, g.reason, g.probing = 0, 0, time.Time{}, "", false
	return reopened
}

// failed notes a failure that concerns the receiver. at once closes the gate whatever the count; floor is the least
// pause. It returns until when uploads pause, zero for not at all, and whether the gate was open before.
func (g *gate) failed(now time.Time, reason string, atOnce bool, floor time.Duration) (until time.Time, closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures++
	g.probing = false
	if !atOnce && floor <= 0 && g.failures < gateFailures && g.until.IsZero() {
		return time.Time{}, false
	}
	if now.Before(g.until) { // uploads that were under way when it closed
		return g.until, false
	}
	closed = g.until.IsZero()
	pause := min(firstPause<<min(g.pauses, 20), g.maxPause)
	g.pauses++
	g.until, g.reason = now.Add(max(pause, floor)), reason
	return g.until, closed
}

// state returns until when uploads pause and why; a zero time when they do not.
func (g *gate) state() (until time.Time, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.until, g.reason
}

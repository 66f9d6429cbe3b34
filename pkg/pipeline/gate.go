package pipeline

import (
	"sync"
	"time"
)

// gate holds uploads back while the receiver is unreachable or refuses the credentials, which says nothing of
// the part that was tried. After a pause one upload probes; its success opens the gate for all.
//
// When all the failures were of one part, they may be its own fault: it waits for the pause, but another part may
// probe at once, so that it is not held up by a poison part.
type gate struct {
	maxPause time.Duration

	mu       sync.Mutex
	failures int       // in a row, that concern the receiver
	pauses   int       // since it last answered
	until    time.Time // zero: open
	reason   string
	firm     bool   // the receiver said itself that it takes nothing now
	passes   uint64 // probes let in so far
	probe    pass   // of the probe under way; 0: none
	refused  bool   // somebody was sent away because of that probe
	blame    blame
}

// pass is what enter gives an upload. Only the pass of the probe ends the probe; 0 is that of any other upload.
type pass uint64

// gateFailures in a row close the gate: one alone may be an accident of its part.
const gateFailures = 3

// firstPause is the first pause; each further one is twice as long, up to maxPause.
const firstPause = time.Second

// enter says whether an upload may begin now; if it may not, when to ask again. A zero time means: when the probe
// under way has ended.
func (g *gate) enter(now time.Time) (p pass, ok bool, again time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.until.IsZero():
		return 0, true, time.Time{}
	case now.Before(g.until) && (g.firm || len(g.blame.run) != 1):
		return 0, false, g.until
	case g.probe != 0:
		g.refused = true
		return 0, false, time.Time{}
	}
	g.passes++
	g.probe, g.refused = pass(g.passes), false
	return g.probe, true, time.Time{}
}

// leave takes back an enter that led to no answer. It says whether somebody was sent away meanwhile.
func (g *gate) leave(p pass) (refused bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.endProbeLocked(p) && g.refused
}

// endProbeLocked says whether p was the pass of the probe under way.
func (g *gate) endProbeLocked(p pass) bool {
	if p == 0 || p != g.probe {
		return false
	}
	g.probe = 0
	return true
}

// answered opens the gate: the receiver has said something about the part with this key.
func (g *gate) answered(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.blame.answered(key)
	g.failures, g.pauses, g.until, g.reason, g.firm, g.probe = 0, 0, time.Time{}, "", false, 0
}

// setback is a failure that concerns the receiver.
type setback struct {
	key    string // of the part that was tried
	reason string
	atOnce bool          // closes the gate whatever the count: it is surely not about the part
	floor  time.Duration // the least pause
}

// failed notes a setback of the upload that had p. It returns until when uploads pause, zero for not at all; whether
// the gate was open before; and whether the part is to blame.
func (g *gate) failed(now time.Time, p pass, s setback) (until time.Time, closed, blamed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	probed := g.endProbeLocked(p)
	g.failures++
	if s.atOnce || s.floor > 0 {
		g.firm = true
	}
	if !s.atOnce {
		blamed = g.blame.failed(s.key)
	}
	switch {
	case g.until.IsZero() && !g.firm && g.failures < gateFailures:
		return time.Time{}, false, blamed
	case !g.until.IsZero() && (!probed || now.Before(g.until)): // it was under way when the gate closed
		g.until = later(g.until, now.Add(s.floor))
		return g.until, false, blamed
	}
	closed = g.until.IsZero()
	pause := min(firstPause<<min(g.pauses, 20), g.maxPause)
	g.pauses++
	g.until, g.reason = now.Add(max(pause, s.floor)), s.reason
	return g.until, closed, blamed
}

// state returns until when uploads pause and why; a zero time when they do not.
func (g *gate) state() (until time.Time, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.until, g.reason
}

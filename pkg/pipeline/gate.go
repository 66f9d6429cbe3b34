package pipeline

import (
	"sync"
	"time"
)

// gate pauses all uploads while the receiver is unreachable or refuses the credentials, which is not the fault of the part
// that was tried. After a pause one upload is let through as a probe; its success opens the gate.
//
// If only one part has failed, it may be the cause: it waits for the pause, but another part may probe at once, so that no
// other part is held up by a poison part.
type gate struct {
	maxPause time.Duration

	mu       sync.Mutex // guards everything below
	failures int        // in a row, not the fault of a part
	pauses   int        // since the receiver last answered
	until    time.Time  // zero: open
	reason   string
	firm     bool   // the receiver itself has asked for the pause
	passes   uint64 // probes let through so far
	probe    pass   // the probe in progress; 0: none
	refused  bool   // a worker was refused because of that probe
	blame    blame
}

// pass identifies the upload that enter has let through as a probe. It is 0 for every other upload.
type pass uint64

const (
	gateFailures = 3           // failures in a row that close the gate: a single one may concern only its part
	firstPause   = time.Second // doubled for each further pause, up to maxPause
)

// enter reports whether an upload may begin now, and if not, when to ask again. A zero time means after the probe in
// progress has ended.
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

// leave undoes an enter that led to no answer. It reports whether a worker was refused in the meantime.
func (g *gate) leave(p pass) (refused bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.endProbeLocked(p) && g.refused
}

// endProbeLocked reports whether p was the probe in progress.
func (g *gate) endProbeLocked(p pass) bool {
	if p == 0 || p != g.probe {
		return false
	}
	g.probe = 0
	return true
}

// answered opens the gate, because the receiver has answered for the part with this key.
func (g *gate) answered(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.blame.answered(key)
	g.failures, g.pauses, g.until, g.reason, g.firm, g.probe = 0, 0, time.Time{}, "", false, 0
}

// setback is a failure that is not the fault of the part.
type setback struct {
	key    string // key of the part that was tried
	reason string
	atOnce bool          // closes the gate whatever the number of failures
	floor  time.Duration // the minimum pause
}

// failed notes a setback of the upload with pass p. It returns the time until which uploads are paused, zero if they are
// not; whether this failure has closed the gate; and whether the part is to blame.
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
	case !g.until.IsZero() && (!probed || now.Before(g.until)): // it was in progress when the gate closed
		g.until = later(g.until, now.Add(s.floor))
		return g.until, false, blamed
	}
	closed = g.until.IsZero()
	pause := min(firstPause<<min(g.pauses, 20), g.maxPause)
	g.pauses++
	g.until, g.reason = now.Add(max(pause, s.floor)), s.reason
	return g.until, closed, blamed
}

// state returns until when uploads are paused and why, or a zero time.
func (g *gate) state() (until time.Time, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.until, g.reason
}

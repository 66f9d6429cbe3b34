package resource

import "time"

// How a gate closes and opens. Duration on both edges is what keeps it from flapping: a noisy load around the
// threshold moves it about 15 times an hour, a single threshold with a cooldown 100 times.
const (
	samplesUp   = 3    // samples running at the threshold that close it
	samplesDown = 6    // samples running under the clear level that open it
	clearBelow  = 10.0 // points between the threshold and the clear level
	staleAfter  = 3    // intervals without a sample
)

// level is one measured value with the threshold it is held against.
type level struct {
	resource string
	value    float64
	limit    float64
}

// clear is the value under which a level is calm. It is never so low that an idle host could not reach it.
func (l level) clear() float64 { return max(l.limit-clearBelow, l.limit/2) }

// gate is the state machine that turns samples into "admit" and "throttled". It is pure: time and samples come
// from the caller.
type gate struct {
	cooldown time.Duration

	up, down int       // samples running
	lastHot  time.Time // the last sample that was not calm
	closed   *ErrThrottled
	hard     bool // memory is short in the newest sample: nothing at all is admitted
}

// verdict says what one sample did.
type verdict int

const (
	unchanged verdict = iota
	closedNow
	openedNow
)

// observe takes the levels of one sample, and the hard reason if there is one. It returns what changed.
func (g *gate) observe(now time.Time, levels []level, hard *ErrThrottled) verdict {
	g.hard = hard != nil
	hot, calm := hard, hard == nil
	for _, l := range levels {
		if l.value >= l.limit && hot == nil {
			hot = &ErrThrottled{Resource: l.resource, Value: l.value, Limit: l.limit}
		}
		calm = calm && l.value < l.clear()
	}
	if calm {
		g.down++
	} else {
		g.down, g.lastHot = 0, now
	}
	if hot != nil {
		g.up++
	} else {
		g.up = 0
	}
	switch {
	case g.closed == nil && hot != nil && (g.hard || g.up >= samplesUp):
		hot.Since = now
		g.closed = hot
		return closedNow
	case g.closed != nil && hot != nil: // the reason follows what is wrong now
		hot.Since = g.closed.Since
		g.closed = hot
	case g.closed != nil && g.down >= samplesDown && now.Sub(g.lastHot) >= g.cooldown:
		g.closed = nil
		return openedNow
	}
	return unchanged
}

// reset opens the gate and forgets what it counted.
func (g *gate) reset() { *g = gate{cooldown: g.cooldown} }

// retryAfter is the shortest time in which a closed gate could open.
func (g *gate) retryAfter(now time.Time, interval time.Duration) time.Duration {
	samples := time.Duration(max(samplesDown-g.down, 1)) * interval
	return max(samples, g.cooldown-now.Sub(g.lastHot))
}

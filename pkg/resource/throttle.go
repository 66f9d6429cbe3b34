package resource

import "time"

// The hysteresis of throttling. Durations on both edges keep it from flapping: a noisy load around the threshold changes it
// about 15 times an hour, where a single threshold with a cooldown changes 100 times.
const (
	samplesUp   = 3    // consecutive samples at the threshold that stop admission
	samplesDown = 6    // consecutive samples below the clear level that resume it
	clearBelow  = 10.0 // points between the threshold and the clear level
	staleAfter  = 3    // intervals without a sample
)

// level is a measured value with its threshold.
type level struct {
	resource string
	value    float64
	limit    float64
}

// clear returns the value below which a level is calm. It is never too low for an idle host to reach.
func (l level) clear() float64 { return max(l.limit-clearBelow, l.limit/2) }

// throttle is the state machine that turns samples into admission and throttling. It is pure: time and samples come from
// the caller.
type throttle struct {
	cooldown time.Duration

	up, down int             // consecutive samples
	lastHot  time.Time       // the last sample that was not calm
	reason   *ThrottledError // why admission is stopped; nil while it is not
	hard     bool            // memory is short in the newest sample: no job is admitted
}

// change is the effect of one sample.
type change int

const (
	unchanged change = iota
	stopped
	resumed
)

// observe evaluates the levels of one sample, and the reason to admit no job at all if there is one.
func (t *throttle) observe(now time.Time, levels []level, hard *ThrottledError) change {
	t.hard = hard != nil
	hot, calm := hard, hard == nil
	for _, l := range levels {
		if l.value >= l.limit && hot == nil {
			hot = &ThrottledError{Resource: l.resource, Value: l.value, Limit: l.limit}
		}
		calm = calm && l.value < l.clear()
	}
	if calm {
		t.down++
	} else {
		t.down, t.lastHot = 0, now
	}
	if hot != nil {
		t.up++
	} else {
		t.up = 0
	}
	switch {
	case t.reason == nil && hot != nil && (t.hard || t.up >= samplesUp):
		hot.Since = now
		t.reason = hot
		return stopped
	case t.reason != nil && hot != nil: // the reason is the present one
		hot.Since = t.reason.Since
		t.reason = hot
	case t.reason != nil && t.down >= samplesDown && now.Sub(t.lastHot) >= t.cooldown:
		t.reason = nil
		return resumed
	}
	return unchanged
}

// reset resumes admission and forgets all counts.
func (t *throttle) reset() { *t = throttle{cooldown: t.cooldown} }

// retryAfter returns the shortest time in which admission could resume.
func (t *throttle) retryAfter(now time.Time, interval time.Duration) time.Duration {
	samples := time.Duration(max(samplesDown-t.down, 1)) * interval
	return max(samples, t.cooldown-now.Sub(t.lastHot))
}

package limits

import (
	"time"
)

// unknownFor is how long a metric is not known before a rule about it ends: a way back that depends on a number which
// never comes again would be none.
const unknownFor = 5 * time.Minute

// ruleState is what has been seen of a rule. Duration on both edges is what keeps it from flapping, more than a
// cooldown does.
type ruleState struct {
	rule  Rule
	holds bool
	value float64 // last known

	up, down int       // samples running that were bad, calm
	badSince time.Time // of the first of up
	lastHot  time.Time // the last sample that was not calm
	lastSeen time.Time // the last sample that had the metric
}

// observe takes one sample.
func (s *ruleState) observe(now time.Time, v Vitals, cfg *DegradationConfig) {
	value, ok := v.known(s.rule.Metric)
	if !ok {
		s.up, s.down = 0, 0
		s.holds = s.holds && now.Sub(s.lastSeen) < unknownFor
		return
	}
	s.value, s.lastSeen = value, now
	if s.rule.calm(value) {
		s.down++
	} else {
		s.down, s.lastHot = 0, now
	}
	if !s.rule.bad(value) {
		s.up = 0
		s.holds = s.holds && !(s.down >= cfg.SamplesDown && now.Sub(s.lastHot) >= max(cfg.Cooldown, 0))
		return
	}
	if s.up++; s.up == 1 {
		s.badSince = now
	}
	s.holds = s.holds || s.rule.Hard || s.up >= cfg.SamplesUp && now.Sub(s.badSince) >= s.rule.For
}

// why is the sentence of a rule that holds: of one that waits for its way back, what it waits for.
func (s *ruleState) why() string {
	if s.rule.bad(s.value) {
		return s.rule.is(s.value, s.rule.Raise, false)
	}
	return s.rule.past(s.value)
}

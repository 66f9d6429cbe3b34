package limits

import (
	"math"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

// The weights of the newest sample in PredictivePolicy: of what is wanted, and of how fast that changes.
const (
	levelWeight = 0.4
	trendWeight = 0.2
)

// PredictivePolicy moves guarantees as LoadPolicy does, by what each component will want after Lookahead: a moving average
// with a trend (Holt's linear method), so that a rising demand finds its guarantee in time. It takes no guarantee from what
// is in use now. It belongs to one Rebalancer.
type PredictivePolicy struct {
	Lookahead time.Duration // default DefaultLookahead
	WarmUp    int           // samples it learns from before its first proposal; default DefaultWarmUp

	last    time.Time
	samples int
	series  map[string]*[2]trend
}

// trend is a series that is smoothed twice.
type trend struct {
	level float64
	slope float64 // a second
}

// Propose is that of Policy.
func (p *PredictivePolicy) Propose(now time.Time, shares []Share) ([]resource.Vector, string) {
	lookahead, warmUp := p.Lookahead, p.WarmUp
	orDefault(&lookahead, DefaultLookahead)
	orDefault(&warmUp, DefaultWarmUp)
	elapsed := now.Sub(p.last).Seconds()
	if p.samples == 0 || elapsed > 2*lookahead.Seconds() { // what was before a long pause says nothing
		p.samples, p.series = 0, map[string]*[2]trend{}
	} else if elapsed <= 0 {
		return nil, ""
	}
	p.last = now
	p.samples++
	wants := make([][2]int64, len(shares))
	for i, s := range shares {
		used, wanted := s.Used.Array(), s.Wanted.Array()
		known := p.series[s.Component]
		for d := range used {
			x := float64(used[d] + wanted[d])
			if known == nil {
				continue
			}
			known[d].observe(x, elapsed)
			wants[i][d] = max(used[d], known[d].after(lookahead.Seconds()))
		}
		if known == nil {
			p.series[s.Component] = begin(used, wanted)
		}
	}
	if p.samples <= warmUp {
		return nil, ""
	}
	return divide(shares, wants)
}

func begin(used, wanted [2]int64) *[2]trend {
	var ts [2]trend
	for d := range ts {
		ts[d].level = float64(used[d] + wanted[d])
	}
	return &ts
}

func (t *trend) observe(x, elapsed float64) {
	was := t.level
	t.level = levelWeight*x + (1-levelWeight)*(t.level+t.slope*elapsed)
	t.slope = trendWeight*(t.level-was)/elapsed + (1-trendWeight)*t.slope
}

// after is what is expected then, rounded to whole things: a trace of one is none.
func (t *trend) after(seconds float64) int64 {
	const trace = 0.05
	x := t.level + t.slope*seconds
	return int64(math.Ceil(min(max(x, 0), 1<<60) - trace))
}

package limits

import (
	"math"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/resource"
)

// The weights of the newest sample in PredictivePolicy: of the demand and of its slope.
const (
	levelWeight = 0.4
	trendWeight = 0.2
)

// PredictivePolicy moves guarantees as LoadPolicy does, by the demand that it expects after Lookahead: an exponential moving
// average with a trend (Holt's linear method), so that the guarantee is in place before a rising demand. It takes no
// guarantee that is in use. Each Rebalancer needs its own PredictivePolicy.
type PredictivePolicy struct {
	Lookahead time.Duration // Lookahead is how far ahead the policy looks. Defaults to DefaultLookahead.
	WarmUp    int           // WarmUp is the number of samples before the first proposal. Defaults to DefaultWarmUp.

	last    time.Time
	samples int
	series  map[string]*[len(dimensions)]trend
}

// trend is a doubly smoothed series.
type trend struct {
	level float64
	slope float64 // per second
}

// Propose implements Policy.
func (p *PredictivePolicy) Propose(now time.Time, shares []Share) ([]resource.Vector, string) {
	lookahead, warmUp := p.Lookahead, p.WarmUp
	config.Default(&lookahead, DefaultLookahead)
	config.Default(&warmUp, DefaultWarmUp)
	elapsed := now.Sub(p.last).Seconds()
	if p.samples == 0 || elapsed > 2*lookahead.Seconds() { // samples from before a long pause are meaningless
		p.samples, p.series = 0, map[string]*[len(dimensions)]trend{}
	} else if elapsed <= 0 {
		return nil, ""
	}
	p.last = now
	p.samples++
	demand := make([]amounts, len(shares))
	for i, s := range shares {
		series, used := p.series[s.Component], s.Used.Array()
		if series == nil {
			series = new([len(dimensions)]trend)
			p.series[s.Component] = series
			for d, n := range s.demand() {
				series[d].level = float64(n)
			}
			continue
		}
		for d, n := range s.demand() {
			series[d].observe(float64(n), elapsed)
			demand[i][d] = max(used[d], series[d].forecast(lookahead.Seconds()))
		}
	}
	if p.samples <= warmUp {
		return nil, ""
	}
	return divide(shares, demand)
}

func (t *trend) observe(x, elapsed float64) {
	before := t.level
	t.level = levelWeight*x + (1-levelWeight)*(t.level+t.slope*elapsed)
	t.slope = trendWeight*(t.level-before)/elapsed + (1-trendWeight)*t.slope
}

// forecast returns the expected value, rounded up unless the fraction is negligible.
func (t *trend) forecast(seconds float64) int64 {
	const negligible = 0.05
	x := t.level + t.slope*seconds
	return int64(math.Ceil(min(max(x, 0), 1<<60) - negligible))
}

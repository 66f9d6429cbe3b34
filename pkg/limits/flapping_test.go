package limits

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// noise is a load with memory of itself, of standard deviation 10: AR(1).
type noise struct {
	r *rand.Rand
	x float64
}

func (n *noise) next(mean float64) float64 {
	const phi = 0.7
	n.x = phi*n.x + n.r.NormFloat64()*10*math.Sqrt(1-phi*phi)
	return max(0, min(mean+n.x, 100))
}

// A noisy load around the bound must not move the agent to and fro. Research measured 158 changes an hour for a bare
// threshold, and 15 for three samples up, six down.
func TestANoisyLoadDoesNotFlap(t *testing.T) {
	const seeds, hours = 40, 4
	count := func(cfg DegradationConfig, mean float64) float64 {
		changes := 0
		for seed := range uint64(seeds) {
			w, n := watch5s(t, cfg), noise{r: rand.New(rand.NewPCG(seed, 7))}
			for range hours * 720 {
				changes += len(w.see(1, Signals{MetricMemory: n.next(mean)}))
			}
		}
		return float64(changes) / seeds / hours
	}
	bare := DegradationConfig{SamplesUp: 1, SamplesDown: 1, Cooldown: -1, Rules: []Rule{{Metric: MetricMemory, Raise: 85, Clear: 85, Level: LevelReduced}}}
	ours := DegradationConfig{Rules: []Rule{{Metric: MetricMemory, Raise: 85, Clear: 75, Level: LevelReduced}}}
	patient := ours
	patient.Rules = []Rule{{Metric: MetricMemory, Raise: 85, Clear: 75, For: 30 * time.Second, Level: LevelReduced}}
	a, b, c := count(bare, 80), count(ours, 80), count(patient, 80)
	t.Logf("changes an hour around 80: bare threshold %.1f, hysteresis %.1f, and for 30s %.1f; default rules %.2f", a, b, c, count(defaultDegradation(), 80))
	if a < 50 || b > 15 || c > 5 {
		t.Errorf("%.1f, %.1f and %.1f changes an hour", a, b, c)
	}
}

// Whatever happened, and whatever valid rules there are: a host that is well again has its agent full again, in a time
// that is known.
func TestTheWayBackIsAlwaysReachable(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		cfg := randomConfig(r)
		w := watch5s(t, cfg)
		for range r.IntN(500) {
			w.see(1, anything(r))
		}
		well := Signals{}
		for m, s := range metricRanges {
			well[m] = s.reachable / 2
			if s.lowIsBad {
				well[m] = 1 << 40
			}
		}
		if seed%3 == 0 { // nor may a number that is not known any more hold it
			delete(well, cfg.Rules[0].Metric)
		}
		most := max(cfg.SamplesDown, int(maxUnknown/(5*time.Second)), int(cfg.Cooldown/(5*time.Second))) + 3*(int(max(cfg.Cooldown, 0)/(5*time.Second))+1) + 2
		for _, c := range w.see(most, well) {
			if c.To.Rank() != c.From.Rank()-1 {
				t.Fatalf("seed %d: %s to %s: more than one step up", seed, c.From, c.To)
			}
		}
		if w.Level() != LevelFull {
			t.Fatalf("seed %d: %+v after %d good samples; rules %+v", seed, w.State(), most, cfg)
		}
	}
}

func randomConfig(r *rand.Rand) DegradationConfig {
	c := DegradationConfig{SamplesUp: 1 + r.IntN(5), SamplesDown: 1 + r.IntN(8), Cooldown: time.Duration(r.IntN(120)) * time.Second}
	for range 1 + r.IntN(6) {
		m := Metrics()[r.IntN(len(metricRanges))]
		s := metricRanges[m]
		rule := Rule{Metric: m, Raise: s.from + r.Float64()*(min(s.to, 1000)-s.from), Level: Levels()[1+r.IntN(3)]}
		if rule.Clear = s.reachable + r.Float64()*(rule.Raise-s.reachable); s.lowIsBad {
			rule.Clear = rule.Raise * (1 + r.Float64())
		}
		if rule.Hard = r.IntN(4) == 0; !rule.Hard {
			rule.For = time.Duration(r.IntN(60)) * time.Second
		}
		c.Rules = append(c.Rules, rule)
	}
	return c
}

// anything is what a broken host may show, numbers that are none with it.
func anything(r *rand.Rand) Signals {
	v := Signals{}
	for m := range metricRanges {
		switch r.IntN(6) {
		case 0:
		case 1:
			v[m] = math.NaN()
		case 2:
			v[m] = math.Inf(1)
		default:
			v[m] = r.Float64() * 1500
		}
	}
	return v
}

package limits

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/resource"
)

// watched is a degradation with a clock: each sample comes 5 seconds after the one before.
type watched struct {
	*Degradation
	t   testing.TB
	now time.Time
}

func watch5s(t testing.TB, c DegradationConfig) *watched {
	t.Helper()
	d, err := NewDegradation(c)
	if err != nil {
		t.Fatal(err)
	}
	return &watched{d, t, d.since}
}

// see takes n samples and returns the changes they led to.
func (w *watched) see(n int, v Signals) (changes []Change) {
	for range n {
		w.now = w.now.Add(5 * time.Second)
		if c, ok := w.Observe(w.now, v); ok {
			changes = append(changes, c)
		}
	}
	return changes
}

func (w *watched) want(l Level) {
	w.t.Helper()
	if got := w.Level(); got != l {
		w.t.Errorf("the agent is %s (%+v), want %s", got, w.State(), l)
	}
}

func defaultDegradation() DegradationConfig { return Limits{}.DegradationConfig() }

// idle is a host that has nothing to do, on which a little happens all the same.
func idle(r *rand.Rand) Signals {
	v := Signals{MetricCPU: 3 + r.Float64()*20, MetricMemory: 40 + r.Float64()*20, MetricMemoryPressure: r.Float64(), MetricDiskFree: 20000,
		MetricStore: r.Float64() * 5, MetricAudit: 0, MetricQueue: r.Float64() * 20, MetricHeap: r.Float64() * 60}
	if r.IntN(10) == 0 {
		v[MetricCPU] = 100
	}
	return v
}

func TestAnIdleHostStaysFull(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w := watch5s(t, defaultDegradation())
	for range 24 * 3600 / 5 {
		if c := w.see(1, idle(r)); c != nil {
			t.Fatalf("%+v", c)
		}
	}
	for range 1000 { // nor does a host of which nothing is known get into trouble
		w.see(1, Signals{})
	}
	w.want(LevelFull)
}

// Each default rule brings the agent to its level from nothing, and the agent comes back to full by itself.
func TestEveryDefaultRuleIsEnteredAndLeft(t *testing.T) {
	cfg := defaultDegradation()
	for _, rule := range cfg.Rules {
		t.Run(fmt.Sprintf("%s %v", rule.Metric, rule.Raise), func(t *testing.T) {
			w := watch5s(t, cfg)
			bad, good, best := rule.Raise, math.Nextafter(rule.Clear, 0), 0.0
			if metricRanges[rule.Metric].lowIsBad {
				bad, good, best = rule.Raise-1, rule.Clear, 1e9
			}
			samples := max(cfg.SamplesUp, int(rule.For/(5*time.Second))+1)
			if rule.Hard {
				samples = 1
			}
			w.see(samples-1, Signals{rule.Metric: bad})
			if w.Level().Rank() >= rule.Level.Rank() {
				t.Errorf("%s after %d samples, one too early", w.Level(), samples-1)
			}
			down := w.see(1, Signals{rule.Metric: bad})
			w.want(rule.Level)
			if len(down) != 1 || down[0].Metric != rule.Metric || down[0].Value != bad || down[0].Limit != rule.Raise || down[0].To != rule.Level {
				t.Errorf("%+v", down)
			}
			up := append(w.see(cfg.SamplesDown+12, Signals{rule.Metric: good}), w.see(100, Signals{rule.Metric: best})...)
			w.want(LevelFull)
			for _, c := range up {
				if c.Lasted < cfg.Cooldown {
					t.Errorf("a step up after %v: %+v", c.Lasted, c)
				}
			}
			if len(up) != rule.Level.Rank() || up[0].Reason != rule.compare(good, rule.Clear, false) {
				t.Errorf("up in %d steps: %+v", len(up), up)
			}
		})
	}
}

// A disk under the floor pauses the agent at once, from whatever level, and leaves it no way to skip that.
func TestHardRulesAreNeverSkipped(t *testing.T) {
	for _, before := range []Signals{{}, {MetricMemory: 93}, {MetricMemory: 98, MetricDiskFree: 5000}} {
		w := watch5s(t, defaultDegradation())
		w.see(20, before)
		was := w.Level()
		got := w.see(1, Signals{MetricDiskFree: DefaultMinFreeDiskSpaceMB - 1, MetricMemory: before[MetricMemory]})
		if len(got) != 1 || got[0].From != was || got[0].To != LevelPaused || got[0].Reason != "disk_free_mb 999 < 1000" {
			t.Errorf("from %s: %+v", was, got)
		}
		w.see(1000, Signals{MetricDiskFree: DefaultMinFreeDiskSpaceMB + 1}) // not past the way back
		w.want(LevelPaused)
	}
	own := Limits{FileSystem: FileSystemLimits{MinFreeDiskSpaceMB: 7}, Degradation: DegradationConfig{Rules: []Rule{{Metric: MetricCPU, Raise: 90, Clear: 80, Level: LevelReduced}}}}
	w := watch5s(t, own.DegradationConfig())
	w.see(1, Signals{MetricDiskFree: 6})
	w.want(LevelPaused) // rules of an operator do not remove the floor
	own.FileSystem.MinFreeDiskSpaceMB = -1
	if got := own.DegradationConfig().Rules; len(got) != 1 || got[0].Metric != MetricCPU {
		t.Errorf("no floor: %+v", got)
	}
}

func TestAForcedLevelStays(t *testing.T) {
	for _, l := range Levels() {
		cfg := defaultDegradation()
		cfg.Level = l
		w := watch5s(t, cfg)
		changes := w.see(1, Signals{MetricMemory: 50})
		if (len(changes) == 1) != (l != LevelFull) {
			t.Errorf("%s: %+v", l, changes)
		}
		changes = w.see(500, Signals{MetricMemory: 99, MetricStore: 100})
		w.want(l)
		if len(changes) > 0 || !w.State().Forced || l != LevelFull && w.State().Reason != "set by limits.degradation.level" {
			t.Errorf("%s: %+v, %+v", l, changes, w.State())
		}
	}
}

// A drill is no reason to fill the disk.
func TestHardRulesHoldAtAForcedLevel(t *testing.T) {
	for _, l := range Levels() {
		cfg := defaultDegradation()
		cfg.Level = l
		w := watch5s(t, cfg)
		w.see(3, Signals{MetricDiskFree: 5000})
		w.see(1, Signals{MetricDiskFree: 1})
		w.want(LevelPaused)
		w.see(200, Signals{MetricDiskFree: 5000})
		w.want(l)
		if got := w.State().Reason; l != LevelFull && got != "set by limits.degradation.level" {
			t.Errorf("%s: %q", l, got)
		}
	}
}

func TestWhatALevelRefuses(t *testing.T) {
	const big = (DefaultBigJobMB + 1) << 20
	for _, c := range []struct {
		level             Level
		gate, low, bigJob bool // refused
	}{{LevelFull, false, false, false}, {LevelReduced, false, true, false}, {LevelMinimal, false, true, true}, {LevelPaused, true, true, true}} {
		cfg := defaultDegradation()
		cfg.Level = c.level
		w := watch5s(t, cfg)
		w.see(1, nil)
		for what, got := range map[string]struct {
			err  error
			want bool
		}{"gate": {w.Gate(), c.gate}, "an ordinary job": {w.Refuse(0, 100<<20), c.gate}, "priority -1": {w.Refuse(-1, 0), c.low}, "a big job": {w.Refuse(9, big), c.bigJob}} {
			var degraded *DegradedError
			if errors.As(got.err, &degraded) != got.want || got.want && (degraded.Level != c.level || !degraded.Temporary() || degraded.Reason == "") {
				t.Errorf("%s, %s: %v", c.level, what, got.err)
			}
		}
		want := int64(0)
		for _, refused := range []bool{c.gate, c.low, c.bigJob} { // one job each
			if refused {
				want++
			}
		}
		if n := w.State().Refused; n != want {
			t.Errorf("%s: %d jobs refused, want %d", c.level, n, want)
		}
	}
	var none *Degradation
	if none.Level() != LevelFull || none.Gate() != nil || none.Refuse(-9, big) != nil || none.State().Level != LevelFull {
		t.Error("an agent without degradation is always full")
	}
}

func TestJobsOfALevel(t *testing.T) {
	for most, want := range map[int][4]int{1: {1, 1, 1, 1}, 2: {2, 1, 1, 1}, 5: {5, 3, 1, 1}, 16: {16, 8, 1, 1}} {
		for i, l := range Levels() {
			if got := l.Jobs(most); got != want[i] || l.Rank() != i || l.Describe() == "" {
				t.Errorf("%s: %d of %d jobs, want %d", l, got, most, want[i])
			}
		}
	}
}

func TestSignalsAddHost(t *testing.T) {
	now := time.Now()
	m := resource.SystemMetrics{Timestamp: now, CPUPercent: 12, CPUSource: "host", MemoryPercent: 34, MemorySource: "host",
		Pressure: &resource.Pressure{Memory: 5},
		Disks:    []resource.Disk{{FreeBytes: 900 << 20, Measured: now}, {FreeBytes: 800 << 20, Measured: now}, {FreeBytes: 1, Measured: now, Stale: true}}}
	v := Signals{}
	v.AddHost(m)
	if want := (Signals{MetricCPU: 12, MetricMemory: 34, MetricMemoryPressure: 5, MetricDiskFree: 800}); fmt.Sprint(v) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", v, want)
	}
	m.Stale = true
	v = Signals{}
	if v.AddHost(m); len(v) != 1 || v[MetricDiskFree] != 800 {
		t.Errorf("of a stale sample: %v", v)
	}
	for i := range m.Disks {
		m.Disks[i].Measured = now.Add(-maxUnknown - time.Second)
	}
	v = Signals{}
	if v.AddHost(m); len(v) != 0 {
		t.Errorf("of one with old disks: %v", v)
	}
}

func TestChangeEvents(t *testing.T) {
	w := watch5s(t, defaultDegradation())
	down := w.see(50, Signals{MetricMemory: 93, MetricAudit: math.NaN()})[0].Event()
	if down.Type != event.DegradationChanged || down.Severity != event.Warn || down.Duration <= 0 ||
		down.Message != "level lowered from full to reduced: memory_percent 93 >= 92: half the job slots, no jobs with a priority below 0; uploads continue" ||
		down.Details["value"] != 93.0 || down.Details["limit"] != 92.0 || fmt.Sprint(down.Details["vitals"]) != "map[memory_percent:93]" {
		t.Errorf("%+v", down)
	}
	if _, err := down.MarshalJSON(); err != nil {
		t.Error(err)
	}
	up := w.see(50, Signals{MetricMemory: 50})[0].Event()
	if up.Severity != event.Info || !strings.HasPrefix(up.Message, "level raised from reduced to full: memory_percent 50 < 80: ") || up.Details["limit"] != 80.0 {
		t.Errorf("%+v", up)
	}
}

func TestValidateDegradation(t *testing.T) {
	if err := defaultDegradation().Validate(); err != nil {
		t.Error(err)
	}
	bad := DegradationConfig{Level: "half", Rules: []Rule{
		{Metric: "luck", Raise: 1, Level: LevelReduced},
		{Metric: MetricMemory, Raise: 90, Clear: 1, Level: LevelReduced}, // a way back that no host attains
		{Metric: MetricMemory, Raise: 90, Clear: 95, Level: LevelReduced},
		{Metric: MetricDiskFree, Raise: 100, Clear: 50, Level: LevelPaused},
		{Metric: MetricCPU, Raise: math.NaN(), Clear: 50, Level: LevelFull, Hard: true, For: time.Second},
	}}
	err := bad.Validate()
	for _, want := range []string{`level: "half"`, `rules.0.metric: "luck"`, "rules.1.clear: 1 is outside 10 to 90", "rules.2.clear: 95", "rules.3.clear: 50 is outside 100 to 200",
		"rules.4.raise: NaN", "rules.4.for: 1s", `rules.4.level: "full"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if _, err := NewDegradation(bad); err == nil {
		t.Error("accepted")
	}
}

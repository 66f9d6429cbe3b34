package resource

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// start runs a controller over host in the bubble of the calling test.
func start(t *testing.T, host Sampler, edit ...func(*ControllerConfig)) *Controller {
	t.Helper()
	c := newTest(t, 4, append(edit, func(cfg *ControllerConfig) { cfg.Sampler = host })...)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // the second sample comes early
	synctest.Wait()
	return c
}

// after lets n samples pass.
func after(n int) {
	time.Sleep(time.Duration(n) * DefaultSampleInterval)
	synctest.Wait()
}

func TestThrottleAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &fakeHost{m: load(10, 10)}
		sink := &recorder{}
		var exceeded, cleared []string
		c := start(t, host, func(cfg *ControllerConfig) {
			cfg.Sink = sink
			cfg.OnThresholdExceeded = func(m *SystemMetrics, why string) {
				exceeded = append(exceeded, fmt.Sprintf("%s (%v)", why, m.CPUPercent))
			}
			cfg.OnThresholdCleared = func(m *SystemMetrics) { cleared = append(cleared, fmt.Sprint(m.CPUPercent)) }
		})
		host.set(load(90.5, 10), nil)
		after(2)
		if c.IsThrottled() {
			t.Error("throttled after 2 samples")
		}
		after(1)
		s := c.GetStatus()
		if !s.Throttled || s.ThrottleReason != "CPU 90% >= 85%" || s.ThrottledAt.IsZero() {
			t.Errorf("after 3 samples: %+v", s)
		}
		if fmt.Sprint(exceeded) != "[CPU 90% >= 85% (90.5)]" {
			t.Errorf("OnThresholdExceeded: %q", exceeded)
		}

		// The minimum still runs; an earlier version admitted no job.
		if !c.AcquireSlot(bg) {
			t.Error("the first job was refused although MinConcurrentJobs is 1")
		}
		_, err := c.TryAcquire(bg, Request{})
		var why *ThrottledError
		if !errors.As(err, &why) || why.Resource != CPU || why.Value != 90.5 || why.Limit != 85 ||
			why.RetryAfter != 30*time.Second || !why.Since.Equal(s.ThrottledAt) {
			t.Errorf("refusal %+v", why)
		}

		host.set(load(80, 10), nil) // under the threshold, not ten points under
		after(20)
		if !c.IsThrottled() {
			t.Error("resumed at 80%")
		}
		waiting := make(chan error, 1)
		go func() { waiting <- c.AcquireSlotBlocking(bg) }()
		host.set(load(74, 10), nil)
		after(5)
		if !c.IsThrottled() {
			t.Error("resumed after 5 samples")
		}
		after(1)
		if s := c.GetStatus(); s.Throttled || s.ThrottleReason != "" || !s.ThrottledAt.IsZero() {
			t.Errorf("after 6 samples: %+v", s)
		}
		select {
		case err := <-waiting: // in the same instant, not at a next poll
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("the waiter was not served when admission resumed")
		}
		if fmt.Sprint(cleared) != "[74]" {
			t.Errorf("OnThresholdCleared: %q", cleared)
		}
		for typ, want := range map[event.Type]int{event.ResourceThrottle: 1, event.ResourceResume: 1, event.ResourceWarning: 0} {
			if n := sink.count(typ); n != want {
				t.Errorf("%d %s events, want %d", n, typ, want)
			}
		}
		for _, e := range sink.events {
			if e.Type == event.ResourceResume && e.Duration < 2*time.Minute {
				t.Errorf("throttled for %v", e.Duration)
			}
			want := crossing{&ThrottledError{Resource: CPU, Value: 90.5, Limit: 85}, samplesUp}
			if e.Type == event.ResourceResume {
				want.Value, want.samples = 74, samplesDown
			}
			d := e.Details
			if d["resource"] != CPU || d["value"] != want.Value || d["limit"] != want.Limit || d["unit"] != "percent" || d["samples"] != want.samples {
				t.Errorf("%s does not say what crossed which bound: %v", e.Type, d)
			}
			if d["cpu_percent"] == nil || d["max_jobs"] != 4 {
				t.Errorf("details of %s: %v", e.Type, d)
			}
		}
	})
}

// A load that wavers around the threshold moves the gate about 15 times an hour; one threshold with a cooldown,
// the earlier rule, over 100 times.
func TestNoFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		x := 0.0
		host := &fakeHost{fn: func(int) (SystemMetrics, error) {
			x = 0.5*x + r.NormFloat64()*8.7 // standard deviation 10
			return load(min(max(80+x, 0), 100), 10), nil
		}}
		sink := &recorder{}
		start(t, host, func(cfg *ControllerConfig) { cfg.Sink = sink })
		const hours = 20
		time.Sleep(hours * time.Hour)
		synctest.Wait()
		perHour := float64(sink.count(event.ResourceThrottle)+sink.count(event.ResourceResume)) / hours
		if perHour == 0 || perHour > 30 {
			t.Errorf("%.1f transitions an hour", perHour)
		}
		t.Logf("%.1f transitions an hour", perHour)
	})
}

// An idle agent on 2 CPUs throttled itself, since its CPU use was its number of goroutines.
func TestIdleAgentIsNotThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := load(3, 40)
		m.NumGoroutines, m.NumCPU = 500, 2
		c := start(t, &fakeHost{m: m})
		for i := range 120 {
			if !c.AcquireSlot(bg) {
				t.Fatalf("job %d was refused: %s", i, c.GetStatus().ThrottleReason)
			}
			time.Sleep(2 * time.Second)
			c.ReleaseSlot()
		}
	})
}

// A config that names no threshold was throttled from the first sample on: CPU 68.8% >= 0.0%.
func TestThresholdsHaveDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, &fakeHost{m: load(68.8, 68.8)}, func(cfg *ControllerConfig) { *cfg = ControllerConfig{MaxConcurrentJobs: 2} })
		after(20)
		if c.IsThrottled() {
			t.Error(c.GetStatus().ThrottleReason)
		}
	})
}

func TestHardMemoryActsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &fakeHost{m: load(10, 10)}
		c := start(t, host)
		short := load(10, 10)
		short.MemoryAvailableBytes = 100 << 20
		host.set(short, nil)
		after(1)
		_, err := c.TryAcquire(bg, Request{})
		var why *ThrottledError
		if !errors.As(err, &why) || why.Resource != MemoryReserve || !strings.Contains(err.Error(), "100 MB < 256 MB") {
			t.Errorf("with 100 MB available: %v", err)
		}
		host.set(load(10, 10), nil)
		after(1)
		if !c.AcquireSlot(bg) || c.AcquireSlot(bg) {
			t.Error("the minimum, and only that, runs once memory is there again")
		}
		killed := load(10, 10)
		killed.OOMKills = 1
		c.ReleaseSlot()
		host.set(killed, nil)
		after(1)
		if c.AcquireSlot(bg) {
			t.Error("admitted right after an out-of-memory kill")
		}
		if s := c.GetStatus(); !strings.Contains(s.ThrottleReason, "1 processes killed") {
			t.Error(s.ThrottleReason)
		}
	})
}

func TestPressureThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := load(10, 10)
		m.Pressure = &Pressure{Memory: 75}
		c := start(t, &fakeHost{m: m})
		after(3)
		if why := c.GetStatus().ThrottleReason; why != "memory pressure 75% >= 60%" {
			t.Error(why)
		}
	})
}

// The cooldown counts from the last sample that was too high.
func TestCooldown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &fakeHost{m: load(99, 10)}
		c := start(t, host, func(cfg *ControllerConfig) { cfg.CooldownDuration = 2 * time.Minute })
		after(60)
		host.set(load(10, 10), nil)
		after(23)
		if !c.IsThrottled() {
			t.Error("resumed before the cooldown was over")
		}
		after(1)
		if c.IsThrottled() {
			t.Error("throttled after the cooldown")
		}
	})
}

func TestReason(t *testing.T) {
	for _, c := range []struct {
		value, limit float64
		want         string
	}{
		{90.5, 85, "CPU 90% >= 85%"}, {85, 85, "CPU 85% >= 85%"}, {99.99, 85, "CPU 99% >= 85%"},
		{85.7, 85.5, "CPU 85.7% >= 85.5%"}, {85.5, 85.5, "CPU 85.5% >= 85.5%"},
	} {
		if got := (&ThrottledError{Resource: CPU, Value: c.value, Limit: c.limit}).Reason(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

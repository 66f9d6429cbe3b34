package resource

import (
	"testing"
	"testing/synctest"
	"time"
)

// Callbacks may call the controller, may panic, and may hang without harm to admission.
func TestCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &fakeHost{m: load(99, 10)}
		release := make(chan struct{})
		var c *Controller
		cfg := ControllerConfig{MaxConcurrentJobs: 4, Sampler: host}
		cfg.OnThresholdExceeded = func(m *SystemMetrics, _ string) {
			c.GetStatus()
			c.SetMaxConcurrentJobs(2)
			m.CPUPercent = -1 // their own copy
			panic("callback")
		}
		cfg.OnThresholdCleared = func(*SystemMetrics) { <-release }
		c = NewController(&cfg)
		c.Start(t.Context())
		after(4)
		if s := c.GetStatus(); s.CallbackPanics != 1 || s.MaxJobs != 2 || s.Metrics.CPUPercent != 99 {
			t.Errorf("%+v", s)
		}
		host.set(load(1, 1), nil)
		after(8)
		if !c.AcquireSlot(bg) {
			t.Error("a hanging callback holds up admission")
		}
		begin := time.Now()
		c.Stop()
		if waited := time.Since(begin); waited > callbackGrace {
			t.Errorf("Stop waited %v for a hanging callback", waited)
		}
		close(release)
	})
}

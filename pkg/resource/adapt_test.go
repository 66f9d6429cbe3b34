package resource

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAdaptiveMaxJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &fakeHost{m: load(10, 10)}
		c := start(t, host, func(cfg *ControllerConfig) { cfg.MaxConcurrentJobs = 8 })
		advise := func(want int, why string) {
			t.Helper()
			time.Sleep(40 * time.Second)
			synctest.Wait()
			if n := c.AdaptiveMaxJobs(); n != want {
				t.Errorf("%s: advice %d, want %d", why, n, want)
			}
			c.SetMaxConcurrentJobs(c.AdaptiveMaxJobs())
		}
		advise(8, "calm")
		host.set(load(99, 10), nil)
		advise(7, "CPU trouble")
		advise(6, "CPU trouble")
		host.set(load(10, 99), nil)
		advise(3, "memory trouble")
		advise(1, "memory trouble")
		advise(1, "never under MinConcurrentJobs")
		host.set(load(10, 10), nil)
		advise(1, "calm again, but idle")
		after(2)
		for c.AcquireSlot(bg) {
		}
		advise(2, "calm, and a request found no slot")
	})
}

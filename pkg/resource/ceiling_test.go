package resource

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Under a ceiling neither an operator nor the adaptation gets more slots; when it is lifted there are as many as they
// said last, and who waits is served at once.
func TestCeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, &fakeHost{m: load(10, 10)}, func(cfg *ControllerConfig) { cfg.MaxConcurrentJobs, cfg.AdaptiveConcurrency = 4, true })
		slots := func(want int, when string) {
			t.Helper()
			if got := c.GetStatus().MaxJobs; got != want {
				t.Errorf("%s: %d slots, want %d", when, got, want)
			}
		}
		c.SetCeiling(2)
		slots(2, "with a ceiling")
		held := 0
		for c.AcquireSlot(bg) {
			held++
		}
		ctx, cancel := context.WithTimeout(bg, time.Hour)
		defer cancel()
		waited := make(chan error, 1)
		go func() { waited <- c.AcquireSlotBlocking(ctx) }()
		time.Sleep(10 * minWindow) // calm windows in which the limit was binding
		slots(2, "after calm windows")
		c.SetMaxConcurrentJobs(8)
		slots(2, "after a request for more")
		if held != 2 || len(waited) > 0 {
			t.Errorf("%d slots held, %d more granted", held, len(waited))
		}
		c.SetCeiling(0)
		slots(8, "without the ceiling")
		if err := <-waited; err != nil {
			t.Error(err)
		}
		c.SetMaxConcurrentJobs(1)
		c.SetCeiling(5)
		slots(1, "with a ceiling over what there is")
		for range held + 1 {
			c.ReleaseSlot()
		}
	})
}

package resource

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Slots that a ceiling or the adaptation takes come back: who needs more than its component has of the few that are left
// waits for them, and does not fail; and what is never lent leaves some of the few to the others.
func TestFewSlotsAreSharedUntilThereAreMore(t *testing.T) {
	floor := Budget{Component: "floor", Guaranteed: slotsOf(4), MaxLend: slotsOf(-1)}
	for name, x := range map[string]struct {
		fewer, more func(*fakeHost, *Controller)
	}{
		"ceiling": {
			func(_ *fakeHost, c *Controller) { c.SetCeiling(4) },
			func(_ *fakeHost, c *Controller) { c.SetCeiling(0) },
		},
		"adaptation": {
			func(h *fakeHost, _ *Controller) { h.set(load(10, 95), nil); time.Sleep(3 * minWindow) },
			func(h *fakeHost, _ *Controller) { h.set(load(10, 10), nil); time.Sleep(10 * minWindow) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := &fakeHost{m: load(10, 10)}
				c := start(t, host, func(cfg *ControllerConfig) {
					cfg.MaxConcurrentJobs, cfg.Budgets, cfg.AdaptiveConcurrency = 8, []Budget{floor}, name == "adaptation"
				})
				x.fewer(host, c)
				must(t, c, Request{}).Release() // the component of the others is idle
				var why *ThrottledError
				if _, err := c.TryAcquire(bg, Request{Slots: 4}); !errors.As(err, &why) {
					t.Errorf("with %d slots: %v", c.GetStatus().MaxJobs, err)
				}
				var large *TooLargeError
				if _, err := c.TryAcquire(bg, Request{Slots: 5}); !errors.As(err, &large) {
					t.Errorf("more than ever: %v", err)
				}
				served := waitFor(t, c, Request{Slots: 4})
				x.more(host, c)
				synctest.Wait()
				select {
				case s := <-served:
					s.Release()
				default:
					t.Fatalf("not served with %d slots", c.GetStatus().MaxJobs)
				}
			})
		})
	}
}

// Budgets fit what there is without a ceiling, which is there for a time.
func TestBudgetsAreHeldAgainstAllSlots(t *testing.T) {
	c := divided(t, 4, Budget{Component: "a", Guaranteed: slotsOf(4)})
	c.SetMaxConcurrentJobs(8)
	c.SetCeiling(1)
	if err := c.SetBudgets(Budget{Component: "a", Guaranteed: slotsOf(7), MaxLend: slotsOf(-1)}); err != nil {
		t.Error(err)
	}
	must(t, c, Request{}).Release() // the first request gets the one slot
	if err := c.SetBudgets(Budget{Component: "a", Guaranteed: slotsOf(8)}); err != nil {
		t.Error(err)
	}
	if err := c.SetBudgets(Budget{Component: "a", Guaranteed: slotsOf(9)}); err == nil {
		t.Error("9 of 8 are guaranteed")
	}
}

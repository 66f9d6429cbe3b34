package resource

import (
	"maps"
	"testing"
)

// Each refusal is counted by its resource, those of budgets and totals too: together they are all refusals.
func TestEveryRefusalIsCountedByItsResource(t *testing.T) {
	c := newTest(t, 2, func(cfg *ControllerConfig) { cfg.MaxReservedBytes = 2 * gb })
	held := must(t, c, Request{MemoryBytes: 2 * gb})
	for _, r := range []Request{{MemoryBytes: 1}, {Slots: 2}} {
		if _, err := c.TryAcquire(bg, r); err == nil {
			t.Errorf("%+v was granted", r)
		}
	}
	served := waitFor(t, c, Request{MemoryBytes: 2})
	s := c.GetStatus()
	if want := map[string]int64{ReservedMemory: 1, Slots: 1}; !maps.Equal(s.Refused, want) || s.RejectedJobs != 2 {
		t.Errorf("%d refused, by resource %v", s.RejectedJobs, s.Refused)
	}
	if want := map[string]int64{ReservedMemory: 1}; !maps.Equal(s.Waited, want) {
		t.Errorf("waited %v", s.Waited)
	}
	held.Release()
	(<-served).Release()
}

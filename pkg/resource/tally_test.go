package resource

import (
	"maps"
	"testing"
)

// Each refusal is counted by its resource, those of budgets and totals too: together they are all refusals.
func TestEveryRefusalIsCountedByItsResource(t *testing.T) {
	c := newTest(t, 2, func(cfg *ControllerConfig) { cfg.MaxGoroutines, cfg.MaxReservedBytes, cfg.MaxConnections = 5, 2*gb, 3 })
	held := must(t, c, Request{Goroutines: 5, MemoryBytes: 2 * gb, Connections: 3})
	for _, r := range []Request{{Goroutines: 1}, {MemoryBytes: 1}, {Connections: 1}, {Slots: 2}} {
		if _, err := c.TryAcquire(bg, r); err == nil {
			t.Errorf("%+v was granted", r)
		}
	}
	served := waitFor(t, c, Request{Connections: 2})
	s := c.GetStatus()
	if want := map[string]int64{Goroutines: 1, ReservedMemory: 1, Connections: 1, Slots: 1}; !maps.Equal(s.Refused, want) || s.RejectedJobs != 4 {
		t.Errorf("%d refused, by resource %v", s.RejectedJobs, s.Refused)
	}
	if want := map[string]int64{Connections: 1}; !maps.Equal(s.Waited, want) {
		t.Errorf("waited %v", s.Waited)
	}
	held.Release()
	(<-served).Release()
}

package resource

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestStop(t *testing.T) {
	c := newTest(t, 1)
	c.Stop() // before Start
	c.Stop()
	if err := c.Start(bg); !errors.Is(err, ErrClosed) {
		t.Errorf("Start after Stop: %v", err)
	}
	if c.AcquireSlot(bg) {
		t.Error("granted after Stop")
	}

	c = newTest(t, 1)
	if err := c.Start(bg); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(bg); !errors.Is(err, ErrStarted) {
		t.Errorf("second Start: %v", err)
	}
	held := must(t, c, Request{})
	failed := make(chan error, 5)
	for range cap(failed) {
		go func() { failed <- c.AcquireSlotBlocking(bg) }()
	}
	pending(t, c, 5)
	c.Stop()
	for range cap(failed) {
		if err := <-failed; !errors.Is(err, ErrClosed) {
			t.Errorf("waiting at Stop: %v", err)
		}
	}
	if _, err := c.TryAcquire(bg, Request{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Stop: %v", err)
	}
	held.Release()
	wantActive(t, c, 0, 0)
}

func TestConfig(t *testing.T) {
	given := ControllerConfig{
		CPUThreshold: 850, MemoryThreshold: -2, MaxConcurrentJobs: -5, MinConcurrentJobs: -1,
		SampleInterval: -1, CooldownDuration: -1, MemoryReserveBytes: -7,
	}
	before := given
	err := given.Validate()
	for _, field := range []string{
		"cpu_threshold: 850", "memory_threshold: -2", "max_concurrent_jobs: -5", "min_concurrent_jobs: -1",
		"sample_interval: -1ns", "cooldown_duration: -1ns", "memory_reserve_bytes: -7",
	} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("Validate does not name %q: %v", field, err)
		}
	}
	c := NewController(&given)
	if got := c.Start(bg); got == nil || got.Error() != err.Error() {
		t.Errorf("Start with a bad configuration = %v, want %v", got, err)
	}
	if _, got := c.TryAcquire(bg, Request{}); got == nil || got.Error() != err.Error() || c.AcquireSlot(bg) || c.AcquireSlotBlocking(bg) == nil {
		t.Errorf("TryAcquire with a bad configuration = %v, want %v and no slot by any way", got, err)
	}
	c.Stop()
	if given.CPUThreshold != before.CPUThreshold || given.Sampler != nil {
		t.Error("the caller's config was written to")
	}
	d := DefaultControllerConfig()
	if d.CPUThreshold != 85 || d.MemoryThreshold != 85 || d.MinConcurrentJobs != 1 || d.MaxConcurrentJobs < 1 ||
		d.SampleInterval != 5*time.Second || d.CooldownDuration != 30*time.Second || d.Verbose {
		t.Errorf("defaults %+v", d)
	}
	if err := (ControllerConfig{}).Validate(); err != nil {
		t.Error(err)
	}
	if c := NewController(nil); !c.AcquireSlot(bg) {
		t.Error("a nil config does not work")
	}
}

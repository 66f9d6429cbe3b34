package limits

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

// atTheBound is what each limit counts once a test has driven it to its bound. docs/limits.md names the numbers that
// are not zero here.
var atTheBound = map[string]Usage{
	"resource.max_concurrent_jobs":       {Used: 1, Limit: 1, Refused: 1, Waited: 1},
	"resource.cpu_warning":               {Used: 82, Limit: 80, Refused: 1},
	"resource.cpu_threshold":             {Used: 90, Limit: 85, Refused: 1, Waited: 1},
	"memory.max_heap_size_mb":            {Used: 600, Limit: 512},
	"resource.memory_warning":            {Used: 82, Limit: 80, Refused: 1},
	"resource.memory_threshold":          {Used: 90, Limit: 85, Refused: 1, Waited: 1},
	"memory.heap_guard":                  {Used: 45, Limit: 80, Refused: 1, Waited: 2},
	"file_system.min_free_disk_space_mb": {Used: 800, Limit: 1000},
}

// bound wants the numbers of atTheBound.
func bound(t *testing.T, got Usage) {
	t.Helper()
	want, ok := atTheBound[got.Name]
	if want.Name = got.Name; !ok || got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// usageOf returns the one with this name.
func usageOf(t *testing.T, all []Usage, name string) Usage {
	t.Helper()
	for _, u := range all {
		if u.Name == name {
			return u
		}
	}
	t.Fatalf("%s is not in %+v", name, all)
	return Usage{}
}

// Each limit that a controller enforces is counted when a test drives it to its bound.
func TestEveryLimitOfAControllerIsCounted(t *testing.T) {
	for name, c := range map[string]struct{ cpu, memory float64 }{
		"resource.max_concurrent_jobs": {10, 10},
		"resource.cpu_warning":         {82, 10},
		"resource.cpu_threshold":       {90, 10},
		"memory.max_heap_size_mb":      {10, 10},
		"resource.memory_warning":      {10, 82},
		"resource.memory_threshold":    {10, 90},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &host{cpu: 10, memory: 10}
				cfg := resource.ControllerConfig{Sampler: h, MaxConcurrentJobs: 8}
				if name == "resource.max_concurrent_jobs" {
					cfg.MaxConcurrentJobs = 1
				}
				ctl := resource.NewController(&cfg)
				if err := ctl.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer ctl.Stop()
				usage := func() Usage {
					s := ctl.GetStatus()
					return usageOf(t, append(ControllerUsage(cfg, s), MemoryLimits{}.Usage(s.Metrics)), name)
				}
				if before := usage(); before.Refused+before.Waited != 0 || before.Limit != atTheBound[name].Limit {
					t.Errorf("Usage before = %+v", before)
				}
				h.set(c.cpu, c.memory)
				time.Sleep(time.Minute)
				if !ctl.AcquireSlot(t.Context()) {
					t.Fatal("AcquireSlot = false, want true")
				}
				if atTheBound[name].Waited > 0 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					if ctl.AcquireSlot(t.Context()) || ctl.AcquireSlotBlocking(ctx) == nil {
						t.Error("a second job is admitted")
					}
				}
				bound(t, usage())
			})
		})
	}
}

func TestUsageOfTheDisk(t *testing.T) {
	m := resource.SystemMetrics{Disks: []resource.Disk{{FreeBytes: 900 << 20, Measured: time.Now()}, {FreeBytes: 800 << 20, Measured: time.Now()}}}
	bound(t, FileSystemLimits{}.Usage(m))
	if u := (FileSystemLimits{MinFreeDiskSpaceMB: -1}).Usage(resource.SystemMetrics{}); u.Used != 0 || u.Limit != -1 {
		t.Errorf("Usage without a measured disk = %+v", u)
	}
}

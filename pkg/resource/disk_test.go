package resource

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
)

func TestRealDisk(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	s := newSystemSampler(dir, missing)
	var m SystemMetrics
	testkit.Eventually(t, "a measured disk", func() bool { // one sample waits only diskPatience
		var err error
		if m, err = s.Sample(t.Context()); err != nil || len(m.Disks) != 2 {
			t.Fatalf("Sample = %+v, %v, want 2 disks", m.Disks, err)
		}
		return !m.Disks[0].Stale
	})
	if d := m.Disks[0]; d.Path != dir || d.Stale || d.FreeBytes <= 0 || d.TotalBytes < d.FreeBytes || d.Measured.IsZero() {
		t.Errorf("%+v", d)
	}
	if d := m.Disks[1]; d.Path != missing || !d.Stale || !d.Measured.IsZero() {
		t.Errorf("%+v of no directory", d)
	}
}

// A mount whose server is gone makes its own numbers stale: samples go on, and one goroutine waits for it.
func TestADeadMountIsStaleNotStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiskMeter([]string{"alive", "mount"})
		dead := make(chan struct{})
		var asked atomic.Int64
		var hang, fail atomic.Bool
		d.of = func(dir string) (int64, int64, error) {
			if dir == "mount" {
				asked.Add(1)
				if hang.Load() {
					<-dead
				}
				if fail.Load() {
					return 0, 0, errors.New("gone")
				}
				return 5, 10, nil
			}
			return 7, 10, nil
		}
		check := func(what string, stale bool, free int64) {
			t.Helper()
			disks := d.read()
			if a := disks[0]; a.Stale || a.FreeBytes != 7 {
				t.Errorf("%s: the other disk: %+v", what, a)
			}
			if m := disks[1]; m.Stale != stale || m.FreeBytes != free {
				t.Errorf("%s: %+v", what, m)
			}
		}
		check("alive", false, 5)
		hang.Store(true)
		begin := time.Now()
		for range 10 {
			check("dead", true, 5)
		}
		if took := time.Since(begin); took > 10*diskPatience {
			t.Errorf("ten samples took %v", took)
		}
		if n := asked.Load(); n != 2 {
			t.Errorf("asked %d times, while it did not answer", n)
		}
		hang.Store(false)
		close(dead)
		synctest.Wait()
		check("back", false, 5)
		fail.Store(true)
		check("fails", true, 5)
		fail.Store(false)
		check("works again", false, 5)
	})
}

// Disks are measured by themselves: their numbers are new also where the rest of the host cannot be measured.
func TestDisksOfAHostThatCannotBeMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &fakeHost{m: load(10, 10)}
		host.m.Disks = []Disk{{Path: "state", FreeBytes: 9, Measured: time.Now()}}
		c := start(t, host, func(cfg *ControllerConfig) { cfg.ThrottleWhenStale = true })
		bad := host.m
		bad.Disks = []Disk{{Path: "state", FreeBytes: 1, Measured: time.Now()}}
		host.set(bad, errors.New("a control group cannot be read"))
		time.Sleep(2 * DefaultSampleInterval)
		if m := c.GetMetrics(); !m.Stale || len(m.Disks) != 1 || m.Disks[0].FreeBytes != 1 {
			t.Errorf("%+v", m)
		}
	})
}

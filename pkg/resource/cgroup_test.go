package resource

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// fixture copies a file tree of testdata, so that a test may change it.
func fixture(t *testing.T, name string) (dir string, g *groups) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", name))); err != nil {
		t.Fatal(err)
	}
	g = newGroups(dir)
	g.refresh()
	t.Cleanup(g.close)
	return dir, g
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// host16 is what the host alone says: 16 GB, a tenth in use.
func host16() (m SystemMetrics) {
	m.takeMemory(16*gb/10, 16*gb, "host")
	return m
}

// cpusOf is the number of CPUs for a process that may run on n by its affinity.
func (g *groups) cpusOf(n int) float64 {
	m := SystemMetrics{NumCPU: n}
	g.readCPU(&m)
	return m.CPUsAvailable
}

func near(a, b float64) bool { return math.Abs(a-b) < 0.1 }

func TestMemoryOfGroups(t *testing.T) {
	for _, c := range []struct {
		fixture, source string
		used, total     float64 // MB
	}{
		// 102 MB in use, 90 of them page cache that was read twice: really 11.
		{"v2-parent", "cgroup2:/system.slice", 11, 128},
		{"v2-container", "cgroup2:/", 50, 200},
		{"v1-hybrid", "cgroup1:/box", 256, 512},
	} {
		_, g := fixture(t, c.fixture)
		m := host16()
		g.readMemory(&m)
		if c.fixture == "v2-parent" { // a tenth of the host is more than 9 percent: the percentage is the host's
			if m.MemorySource != "host" {
				t.Errorf("%s: source %s", c.fixture, m.MemorySource)
			}
			m.MemorySource, m.MemoryPercent, m.MemoryUsedMB = "", 0, 0
			g.readMemory(&m)
		}
		if m.MemorySource != c.source || m.MemoryUsedMB != c.used || m.MemoryTotalMB != c.total {
			t.Errorf("%s: %v of %v MB by %s", c.fixture, m.MemoryUsedMB, m.MemoryTotalMB, m.MemorySource)
		}
		if want := int64(c.total-c.used) << 20; m.MemoryAvailableBytes != want {
			t.Errorf("%s: %d bytes available, want %d", c.fixture, m.MemoryAvailableBytes, want)
		}
	}
}

func TestCPUOfGroups(t *testing.T) {
	for _, c := range []struct {
		fixture, file, after string
		quota, percent       float64
		source               string
	}{
		// Half a CPU is allowed, a quarter of one was used in 4 seconds.
		{"v2-parent", "sys/fs/cgroup/system.slice/cpu.stat", "usage_usec 2000000\n", 0.5, 50, "cgroup2:/system.slice"},
		{"v1-hybrid", "sys/fs/cgroup/cpuacct/box/cpuacct.usage", "8000000000\n", 0.25, 100, "cgroup1:/box"},
	} {
		dir, g := fixture(t, c.fixture)
		m := SystemMetrics{Timestamp: time.Now(), NumCPU: 16}
		g.readCPU(&m)
		if m.CPUSource != "" {
			t.Errorf("%s: CPU is known after one sample", c.fixture)
		}
		if m.CPUsAvailable != c.quota {
			t.Errorf("%s: %v CPUs, want %v", c.fixture, m.CPUsAvailable, c.quota)
		}
		write(t, dir, c.file, c.after)
		m.Timestamp = m.Timestamp.Add(4 * time.Second)
		g.readCPU(&m)
		if m.CPUSource != c.source || !near(m.CPUPercent, c.percent) {
			t.Errorf("%s: %v%% by %s, want %v", c.fixture, m.CPUPercent, m.CPUSource, c.percent)
		}
	}
	if _, g := fixture(t, "v2-container"); g.cpusOf(16) != 1.5 {
		t.Errorf("v2-container: quota %v", g.cpusOf(16))
	}
}

// A quota of a quarter of a CPU, used by one spinner: the CPU use of the host is low, and every period is throttled.
func TestThrottledPeriodsOfGroups(t *testing.T) {
	for fix, dirs := range map[string][2]string{ // of a level with a quota: its CPU time, and its cpu.stat
		"v2-parent": {"", "sys/fs/cgroup/system.slice/cpu.stat"},
		"v1-hybrid": {"sys/fs/cgroup/cpuacct/box/cpuacct.usage", "sys/fs/cgroup/cpu/box/cpu.stat"},
	} {
		dir, g := fixture(t, fix)
		now := time.Now()
		sample := func(periods, throttled int64) float64 {
			t.Helper()
			text := fmt.Sprintf("nr_periods %d\nnr_throttled %d\nthrottled_usec 7\n", periods, throttled)
			if dirs[0] == "" {
				text = "usage_usec 2000000\n" + text
			} else {
				write(t, dir, dirs[0], "2000000000\n")
			}
			write(t, dir, dirs[1], text)
			now = now.Add(3 * time.Second)
			m := SystemMetrics{Timestamp: now, NumCPU: 16}
			g.readCPU(&m)
			return m.CPUThrottledPercent
		}
		for i, c := range []struct{ periods, throttled, want int64 }{
			{1000, 500, 0},   // what was before our time does not count
			{1030, 530, 100}, // 30 of 30
			{1060, 545, 50},
			{1090, 545, 0},
			{10, 5, 0}, // a counter that began anew
			{40, 11, 20},
		} {
			if got := sample(c.periods, c.throttled); !near(got, float64(c.want)) {
				t.Errorf("%s, sample %d: %v%%, want %d", fix, i, got, c.want)
			}
		}
	}
}

// A large host at a tenth and a small group at less: the reserve and the largest request follow the group.
func TestSmallGroupOnLargeHost(t *testing.T) {
	_, g := fixture(t, "v2-parent")
	m := host16()
	g.readMemory(&m)
	c := newTest(t, 4, func(cfg *ControllerConfig) { cfg.Sampler = &fakeHost{m: m} })
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := c.GetStatus(); s.Throttled {
		t.Errorf("throttled: %s", s.ThrottleReason)
	}
	var large *TooLargeError
	if _, err := c.TryAcquire(t.Context(), Request{MemoryBytes: gb}); !errors.As(err, &large) || large.Limit > 128<<20 {
		t.Errorf("1 GB in a group of 128 MB: %v", err)
	}
}

// A process that is moved to another group is measured there.
func TestMovedToAnotherGroup(t *testing.T) {
	dir, g := fixture(t, "v2-parent")
	write(t, dir, "proc/self/cgroup", "0::/\n")
	g.refresh()
	if n := g.cpusOf(16); n != 16 {
		t.Errorf("%v CPUs as in the group before", n)
	}
}

func TestNoGroups(t *testing.T) {
	for _, root := range []string{"", t.TempDir()} {
		g := newGroups(root)
		g.refresh()
		m := host16()
		g.readCPU(&m)
		g.readMemory(&m)
		if g.cpusOf(16) != 16 || m.OOMKills != 0 || m.MemorySource != "host" || m.CPUSource != "" {
			t.Errorf("root %q: %+v", root, m)
		}
	}
}

func FuzzGroups(f *testing.F) {
	for _, name := range []string{"v2-parent", "v2-container", "v1-hybrid"} {
		own, _ := readSmall(filepath.Join("testdata", name, "proc/self/cgroup"))
		mounts, _ := readSmall(filepath.Join("testdata", name, "proc/self/mountinfo"))
		f.Add(own, mounts)
	}
	f.Add("0::/../../x\n", `1 1 0:1 /a\040b\ /sys/fs/cgroup rw - cgroup2 c rw`)
	root := f.TempDir()
	f.Fuzz(func(t *testing.T, own, mountinfo string) {
		g := newGroups(root)
		g.closeGroups() // before anything was found
		mounts, paths := parseMounts(mountinfo), parseOwn(own)
		for controller := range mounts {
			for _, level := range g.chain(mounts[controller], paths[controller], 2) {
				if rel, err := filepath.Rel(root, level.dir); err != nil || !filepath.IsLocal(rel) {
					t.Errorf("%q leads out of the root", level.dir)
				}
			}
		}
	})
}

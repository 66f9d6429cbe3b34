package resource

import (
	"math"
	"testing"
	"time"
)

func TestCountCPUs(t *testing.T) {
	for list, want := range map[string]int{
		"0\n": 1, "0-3\n": 4, "0-3,8,10-11\n": 7, "": 0, "\n": 0,
		"x": 0, "3-1": 0, "-1": 0, "0-": 0, "0-99999999999999999999": 0, "0-70000": 0, "1,,2": 0,
	} {
		if n := countCPUs([]byte(list)); n != want {
			t.Errorf("%q: %d, want %d", list, n, want)
		}
	}
}

func FuzzCountCPUs(f *testing.F) {
	f.Add([]byte("0-3,8\n"))
	f.Fuzz(func(t *testing.T, list []byte) {
		if n := countCPUs(list); n < 0 || n > maxCPUs {
			t.Errorf("%d CPUs", n)
		}
	})
}

// A set of one CPU on a machine of four, without any quota: one busy process is all of it, though the machine shows a quarter.
func TestCPUSetOfGroups(t *testing.T) {
	for name, c := range map[string]struct {
		files   map[string]string
		usage   string
		percent float64
		source  string
		cpus    float64
	}{
		"v2": {map[string]string{
			"proc/self/cgroup": "0::/box/in\n", "proc/self/mountinfo": mountV2,
			"sys/fs/cgroup/box/cpuset.cpus.effective": "3\n", // the controller is not on below
			"sys/fs/cgroup/box/in/cpu.stat":           "usage_usec 0\n",
			"sys/fs/cgroup/box/cpu.stat":              "usage_usec 0\n",
		}, "sys/fs/cgroup/box/in/cpu.stat", 100, "cgroup2:/box/in", 1},
		"v1": {map[string]string{
			"proc/self/cgroup": "3:cpuset:/box\n2:cpuacct:/box\n1:cpu:/box\n", "proc/self/mountinfo": mountsHybrid,
			"sys/fs/cgroup/cpuset/box/cpuset.cpus":           "0-1\n",
			"sys/fs/cgroup/cpuset/box/cpuset.effective_cpus": "0-1\n",
			"sys/fs/cgroup/cpu/box/cpu.cfs_quota_us":         "-1\n",
			"sys/fs/cgroup/cpu/box/cpu.cfs_period_us":        "100000\n",
			"sys/fs/cgroup/cpuacct/box/cpuacct.usage":        "0\n",
		}, "sys/fs/cgroup/cpuacct/box/cpuacct.usage", 50, "cgroup1:/box", 2},
		"v2, the whole machine": {map[string]string{
			"proc/self/cgroup": "0::/box\n", "proc/self/mountinfo": mountV2,
			"sys/fs/cgroup/box/cpuset.cpus.effective": "0-3\n",
			"sys/fs/cgroup/box/cpu.stat":              "usage_usec 0\n",
		}, "sys/fs/cgroup/box/cpu.stat", 0, "", 4},
	} {
		t.Run(name, func(t *testing.T) {
			c.files["sys/devices/system/cpu/online"] = "0-3\n"
			dir, g := tree(t, c.files)
			m := SystemMetrics{NumCPU: 4, Timestamp: time.Now()}
			g.readCPU(&m)
			if m.CPUsAvailable != c.cpus {
				t.Errorf("%v CPUs, want %v", m.CPUsAvailable, c.cpus)
			}
			text := "usage_usec 4000000\n"
			if name == "v1" {
				text = "4000000000\n"
			}
			write(t, dir, c.usage, text)
			m.Timestamp = m.Timestamp.Add(4 * time.Second)
			g.readCPU(&m)
			if m.CPUSource != c.source || math.Abs(m.CPUPercent-c.percent) > 0.1 {
				t.Errorf("%v%% by %q, want %v by %q", m.CPUPercent, m.CPUSource, c.percent, c.source)
			}
		})
	}
}

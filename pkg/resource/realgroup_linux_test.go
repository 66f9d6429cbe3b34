package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
)

// realGroup is a control group of this machine, in whichever version owns memory.
type realGroup struct {
	version int
	name    string
	dirs    []string // one in each hierarchy; that of memory first
	own     string   // /proc/self/cgroup of a process in it
}

// newRealGroup makes a group that may take so much memory and so many CPUs. The test is skipped where that is not
// permitted.
func newRealGroup(t *testing.T, memory int64, cpus float64) *realGroup {
	t.Helper()
	mountinfo, err := readSmall("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	mounts := parseMounts(mountinfo)
	g := &realGroup{version: 2, name: fmt.Sprintf("resource-test-%d-%d", os.Getpid(), time.Now().UnixNano())}
	controllers := []string{""}
	if mounts["memory"].point != "" {
		g.version, controllers = 1, []string{"memory", "cpu", "cpuacct"}
	}
	t.Cleanup(func() { g.remove(t) })
	for i, controller := range controllers {
		m, ok := mounts[controller]
		if !ok {
			t.Skipf("no control groups for %q are mounted", controller)
		}
		dir := filepath.Join(m.point, g.name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Skipf("no control group may be made: %v", err)
		}
		g.dirs = append(g.dirs, dir)
		g.own += fmt.Sprintf("%d:%s:%s\n", i*(2-g.version), controller, filepath.Join(m.root, g.name))
	}
	const period = 20_000 // microseconds; short, so that the use of a quota is even
	if g.version == 2 {
		g.set(t, 0, "memory.max", strconv.FormatInt(memory, 10))
		g.set(t, 0, "cpu.max", fmt.Sprintf("%.0f %d", cpus*period, period))
		g.set(t, 0, "cpu.weight", "10000")
		return g
	}
	g.set(t, 0, "memory.limit_in_bytes", strconv.FormatInt(memory, 10))
	g.set(t, 1, "cpu.cfs_period_us", strconv.Itoa(period))
	g.set(t, 1, "cpu.cfs_quota_us", fmt.Sprintf("%.0f", cpus*period))
	g.set(t, 1, "cpu.shares", "262144") // others on a busy machine do not take the quota away
	return g
}

func (g *realGroup) set(t *testing.T, dir int, name, value string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(g.dirs[dir], name), []byte(value), 0o600); err != nil {
		t.Skipf("no limit may be set: %v", err) // version 2 without the controller
	}
}

func (g *realGroup) add(t *testing.T, pid int) {
	t.Helper()
	for _, dir := range g.dirs {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o600); err != nil {
			t.Skipf("no process may be moved: %v", err)
		}
	}
}

func (g *realGroup) remove(t *testing.T) {
	for _, dir := range g.dirs {
		deadline := time.Now().Add(patience)
		for err := os.Remove(dir); err != nil; err = os.Remove(dir) { // a process that has ended leaves a moment later
			if time.Now().After(deadline) {
				t.Error(err)
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// oomKills is how many processes of the group the kernel has killed.
func (g *realGroup) oomKills(t *testing.T) int64 {
	t.Helper()
	name := map[int]string{1: "memory.oom_control", 2: "memory.events"}[g.version]
	text, err := os.ReadFile(filepath.Join(g.dirs[0], name))
	if err != nil {
		t.Fatal(err)
	}
	n, ok := statOf(text, "oom_kill")
	if !ok {
		t.Skip("the kernel does not count its kills")
	}
	return n
}

// idleMachine is a host on which nothing but the group is busy.
type idleMachine struct{}

func (idleMachine) times(context.Context) (cpu.TimesStat, error) {
	return cpu.TimesStat{Idle: float64(time.Now().UnixMilli())}, nil
}

func (idleMachine) memory(context.Context) (available, total int64, err error) {
	return 15 * gb, 16 * gb, nil
}

// sampler measures the group from outside, with the real files, as a process in it would. The rest of the host is
// idle, so that a busy machine does not decide.
func (g *realGroup) sampler(t *testing.T) *systemSampler {
	t.Helper()
	root := t.TempDir()
	mountinfo, err := readSmall("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.MkdirAll(filepath.Join(root, "proc/self"), 0o700), os.Symlink("/sys", filepath.Join(root, "sys"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	write(t, root, "proc/self/mountinfo", mountinfo)
	write(t, root, "proc/self/cgroup", g.own)
	return &systemSampler{host: host{machine: idleMachine{}}, groups: newGroups(root), disks: newDiskMeter(nil)}
}

// sampleOnce is what a process in a group sees after it took memory and time.
func sampleOnce(bytes int) SystemMetrics {
	s := newSystemSampler()
	s.host.machine = idleMachine{} // the memory and the CPUs of the machine decide nothing
	defer s.close()
	_, _ = s.Sample(context.Background()) // begins the window
	held := eat(bytes)
	spin(2 * minWindowCPU)
	m, err := s.Sample(context.Background())
	if err != nil || len(held) != bytes {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(6)
	}
	return m
}

// A process in a real group sees the limits of the group, not those of the machine, and its use of them.
func TestRealGroup(t *testing.T) {
	t.Parallel()
	const limit, taken = 128 << 20, 32 << 20
	g := newRealGroup(t, limit, 0.5)
	line, stop := begin(t, g, "sample", taken)
	stop()
	var m SystemMetrics
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if m.MemoryLimitBytes != limit || m.MemoryAvailableBytes > limit-taken || !strings.HasSuffix(m.MemorySource, "/"+g.name) ||
		m.MemoryUsedMB < taken>>20 || m.MemoryTotalMB != limit>>20 {
		t.Errorf("memory: %+v", m)
	}
	if m.CPUsAvailable != 0.5 || m.CPUSource == "" || m.CPUPercent <= 0 {
		t.Errorf("CPU: %+v", m)
	}
	t.Logf("%.0f of %.0f MB by %s; CPU %.0f%% of %v by %s, stopped in %.0f%% of the periods",
		m.MemoryUsedMB, m.MemoryTotalMB, m.MemorySource, m.CPUPercent, m.CPUsAvailable, m.CPUSource, m.CPUThrottledPercent)
	if n := g.oomKills(t); n != 0 {
		t.Errorf("the kernel killed %d", n)
	}
}

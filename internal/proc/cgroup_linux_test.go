package proc

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOwnGroup(t *testing.T) {
	const (
		unified = "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
		hybrid  = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		service = "0::/system.slice/rediver.service/agent\n"
	)
	for _, tt := range []struct{ name, own, mounts, want string }{
		{"a service", service, unified, "/sys/fs/cgroup/system.slice/rediver.service/agent"},
		{"the root", "0::/\n", unified, "/sys/fs/cgroup"},
		{"version 1 beside it", "9:name=systemd:/x\n4:memory:/y\n0::/z\n", hybrid, "/sys/fs/cgroup/unified/z"},
		{"version 1 alone", "9:name=systemd:/x\n", hybrid, ""},
		{"no mount", service, "40 31 0:37 / /proc rw - proc proc rw\n", ""},
		{"a container that sees its part", "0::/docker/12/job\n", "41 31 0:38 /docker/12 /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "/sys/fs/cgroup/job"},
		{"a container that sees another part", "0::/docker/12\n", "41 31 0:38 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n", ""},
		{"a group outside of our view", "0::/../x\n", unified, ""},
		{"a mount with a space", "0::/x\n", `41 31 0:38 / /a\040b rw - cgroup2 cgroup2 rw`, "/a b/x"},
		{"nothing", "", "", ""},
	} {
		got, ok := ownGroup([]byte(tt.own), []byte(tt.mounts))
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: got %q %v, want %q", tt.name, got, ok, tt.want)
		}
	}
}

func FuzzOwnGroup(f *testing.F) {
	f.Add([]byte("0::/a/b\n"), []byte("41 31 0:38 /a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"))
	f.Fuzz(func(t *testing.T, own, mounts []byte) {
		if dir, ok := ownGroup(own, mounts); ok && (dir == "" || strings.Contains(dir, "/../")) {
			t.Errorf("got %q of %q and %q", dir, own, mounts)
		}
	})
}

// kernelFiles is a directory with files as the kernel has them in a group.
func kernelFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLeafLimits(t *testing.T) {
	empty := map[string]string{"memory.max": "", "memory.swap.max": "", "memory.oom.group": "", "pids.max": "", "cpu.weight.nice": ""}
	for _, tt := range []struct {
		name   string
		limits []string
		spec   Spec
		want   map[string]string
	}{
		{"all", wantedLimits, Spec{MemoryBytes: 1 << 20, MaxProcesses: 9, Nice: 10},
			map[string]string{"memory.max": "1048576", "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "9", "cpu.weight.nice": "10"}},
		{"none asked for", wantedLimits, Spec{}, map[string]string{"memory.oom.group": "1"}},
		{"no controllers", nil, Spec{MemoryBytes: 1 << 20, MaxProcesses: 9, Nice: 10}, nil},
	} {
		l := &leaf{dir: kernelFiles(t, empty), limits: tt.limits}
		if err := l.limit(tt.spec); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		for name := range empty {
			if b, _ := os.ReadFile(filepath.Join(l.dir, name)); string(b) != tt.want[name] {
				t.Errorf("%s: %s is %q, want %q", tt.name, name, b, tt.want[name])
			}
		}
	}
	l := &leaf{dir: t.TempDir() + "/gone", limits: wantedLimits}
	if err := l.limit(Spec{}); err != nil {
		t.Errorf("a kernel without such a file: %v", err)
	}
}

// Why a tree was killed is told by its own group where that counts, and from what the host says elsewhere.
func TestKillForWantOfMemory(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events string
		signal string
		cause  Cause
		want   Cause
	}{
		{"its own limit", "oom 1\noom_kill 4\noom_group_kill 1\n", "killed", Exit, Memory},
		{"the host", "oom 0\noom_kill 1\n", "killed", Exit, OOM},
		{"somebody's kill", "oom 0\noom_kill 0\n", "killed", Exit, Exit},
		{"our kill", "oom 1\noom_kill 1\n", "killed", Timeout, Timeout},
		{"an exit", "oom 1\noom_kill 1\n", "", Exit, Exit},
	} {
		l := &leaf{limits: wantedLimits, dir: kernelFiles(t, map[string]string{
			"memory.events": "low 0\nhigh 0\nmax 12\n" + tt.events, "memory.peak": "134217728\n",
			"pids.events": "max 369\n", "cpu.stat": "usage_usec 30\nuser_usec 20\nsystem_usec 10\n",
		})}
		r := Result{Cause: tt.cause, Signal: tt.signal}
		(&tree{leaf: l}).account(&r)
		if r.Cause != tt.want || r.CgroupMemory != 128<<20 || r.ForksRefused != 369 || r.CPU != 30*time.Microsecond {
			t.Errorf("%s: got %+v, want cause %s", tt.name, r, tt.want)
		}
	}
}

// A group shares out its controllers, unless it holds processes and is not the root.
func TestEnable(t *testing.T) {
	for _, tt := range []struct{ name, procs, kind, limits, note string }{
		{"the root", "1\n2\n", "", "pids", "no limits by the controllers memory (not there), cpu (not there)"},
		{"a delegated group", "", "domain\n", "pids", "no limits by the controllers memory (not there), cpu (not there)"},
		{"a group with processes", "12\n", "domain\n", "", "no limits: there are processes in "},
	} {
		files := map[string]string{"cgroup.controllers": "io pids\n", "cgroup.subtree_control": "", "cgroup.procs": tt.procs}
		if tt.kind != "" {
			files["cgroup.type"] = tt.kind
		}
		l := &leaves{dir: kernelFiles(t, files)}
		note := l.enable()
		turnedOn, _ := os.ReadFile(filepath.Join(l.dir, "cgroup.subtree_control"))
		if !strings.HasPrefix(note, tt.note) || strings.Join(l.limits, " ") != tt.limits || strings.TrimPrefix(string(turnedOn), "+") != tt.limits {
			t.Errorf("%s: %q, %v, %q", tt.name, note, l.limits, turnedOn)
		}
	}
}

// withController returns a containment whose groups have a controller.
func withController(t *testing.T, name string) *Containment {
	t.Helper()
	c := containment(t, Cgroup)
	if !slices.Contains(c.leaves.limits, name) {
		t.Skip(c.Note())
	}
	return c
}

func TestKernelHoldsTheMemoryLimit(t *testing.T) {
	s := spec(t, "memory")
	s.Contain, s.MemoryBytes = withController(t, "memory"), 100<<20
	res := run(t, t.Context(), s)
	if res.Cause != Memory || res.OOMKills == 0 || res.CgroupMemory > 100<<20 || res.CgroupMemory < 90<<20 {
		t.Errorf("got %+v", res)
	}
}

func TestKernelHoldsTheProcessLimit(t *testing.T) {
	s := spec(t, "bomb")
	s.Contain, s.MaxProcesses = withController(t, "pids"), 40
	res := run(t, t.Context(), s)
	if res.ForksRefused == 0 || res.PeakProcesses > 40 || res.Survivors > 0 {
		t.Errorf("got %+v", res)
	}
}

// A group in which a child has made groups of its own is emptied and removed with them.
func TestNestedGroupsAreRemoved(t *testing.T) {
	c := containment(t, Cgroup)
	l := c.leaves.leaf()
	fd, err := l.make(Spec{})
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(fd)
	inner := filepath.Join(l.dir, "a", "b")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	s := hang(t, "")
	if err := writeKernel(filepath.Join(inner, "cgroup.procs"), itoa(s.pid)); err != nil {
		t.Fatal(err)
	}
	if !l.procs()[s.pid] || l.empty() {
		t.Error("a process in a group below is not seen")
	}
	if err := l.end(time.Now().Add(clearTime)); err != nil || alive(s.pid) {
		t.Errorf("alive: %v, %v", alive(s.pid), err)
	}
	if _, err := os.Stat(l.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the group is there: %v", err)
	}
}

// Groups of dead agents are swept, those of the living are not.
func TestSweepOfGroups(t *testing.T) {
	c := containment(t, Cgroup)
	mine, dead := c.leaves.leaf(), &leaf{dir: filepath.Join(c.leaves.dir, leafPrefix+deadOwner()+"-x")}
	var members []stat
	for _, l := range []*leaf{mine, dead} {
		fd, err := l.make(Spec{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.end(time.Now().Add(clearTime)) })
		_ = unix.Close(fd)
		s := hang(t, "")
		if err := writeKernel(filepath.Join(l.dir, "cgroup.procs"), itoa(s.pid)); err != nil {
			t.Fatal(err)
		}
		members = append(members, s)
	}
	if killed, left := Sweep(); killed < 1 || left > 0 {
		t.Errorf("killed %d, %d left", killed, left)
	}
	if !alive(members[0].pid) || alive(members[1].pid) {
		t.Errorf("alive: %v %v, want the first alone", alive(members[0].pid), alive(members[1].pid))
	}
	if _, err := os.Stat(dead.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the group of the dead agent is there: %v", err)
	}
	if _, err := os.Stat(mine.dir); err != nil {
		t.Error(err)
	}
}

// An agent that was started from the group of a dead one, by a scanner that restarts its agent, outlives its own sweep.
func TestSweepOfTheOwnGroup(t *testing.T) {
	c := containment(t, Cgroup)
	l := &leaf{dir: filepath.Join(c.leaves.dir, leafPrefix+deadOwner()+"-self")}
	fd, err := l.make(Spec{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.end(time.Now().Add(clearTime))
	defer unix.Close(fd)
	cmd := exec.Command(os.Args[0], recordFile(t, record{Boot: bootID(), Owner: deadOwner(), Leaf: l.dir}))
	cmd.Env = []string{"PROC_TEST_CHILD=sweep", namespaceEnv + "=" + pidNamespace()}
	cmd.SysProcAttr = groupAttr()
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, fd
	if out, err := cmd.Output(); err != nil || string(out) != "0 left\n" {
		t.Errorf("%s, %v", out, err)
	}
}

// A level that is not to be had is refused with its reason; auto takes another and says why.
func TestContainSaysWhyNot(t *testing.T) {
	for _, l := range []Level{JobObject, "none"} {
		if c, err := Contain(l); err == nil || !strings.Contains(err.Error(), string(l)) {
			t.Errorf("%s: %v, %v", l, c, err)
		}
	}
	if l := (*Containment)(nil).Level(); l != Group {
		t.Errorf("nil is %s", l)
	}
	_, err := (&leaves{dir: t.TempDir() + "/gone"}).leaf().make(Spec{})
	if !errors.Is(err, syscall.ENOENT) {
		t.Errorf("got %v", err)
	}
}

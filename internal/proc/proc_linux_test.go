package proc

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// alive says whether the process exists and is no zombie.
func alive(pid int) bool {
	s, ok := readStat(pid)
	return ok && !s.zombie
}

func childPID(t testing.TB, s Spec) int {
	t.Helper()
	line, _, _ := strings.Cut(output(t, s)[strings.Index(output(t, s), "child "):], "\n")
	pid, err := strconv.Atoi(strings.TrimPrefix(line, "child "))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestLeftoversAreKilled(t *testing.T) {
	for _, mode := range []string{"family", "family-setsid"} {
		t.Run(mode, func(t *testing.T) {
			s := spec(t, mode)
			res := run(t, t.Context(), s)
			if res.Cause != Exit || res.ExitCode != 0 || res.Leftovers != 1 || res.Survivors != 0 {
				t.Errorf("got %+v, want one leftover", res)
			}
			if pid := childPID(t, s); alive(pid) {
				t.Errorf("process %d outlives its leader", pid)
			}
		})
	}
}

// A descendant that left the group is found by its parents when it has no marker.
func TestDescendantsAreFoundWithoutMarker(t *testing.T) {
	s := spec(t, "family-hang")
	s.Marker = ""
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		awaitOutput(t, s)
		cancel()
	}()
	res := run(t, ctx, s)
	if pid := childPID(t, s); res.Survivors != 0 || alive(pid) {
		t.Errorf("got %+v, process %d alive: %v", res, pid, alive(pid))
	}
}

// A leader that moves into the process group of the agent, where no signal to its own group reaches it, ends all the same,
// and what it has started there does.
func TestLeaderInTheGroupOfTheAgent(t *testing.T) {
	s := spec(t, "join")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		awaitOutput(t, s)
		cancel()
	}()
	res := run(t, ctx, s)
	if pid := childPID(t, s); res.Cause != Cancel || res.Signal == "" || res.Survivors != 0 || alive(pid) {
		t.Errorf("got %+v, process %d alive: %v", res, pid, alive(pid))
	}
}

func TestNoCoreFile(t *testing.T) {
	s := spec(t, "core")
	run(t, t.Context(), s)
	if got := output(t, s); got != "0\n" {
		t.Errorf("RLIMIT_CORE is %q", got)
	}
}

// A process whose marker names a dead agent is swept, one of a living agent is not.
func TestSweep(t *testing.T) {
	start := func(owner string) *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = []string{MarkerEnv + "=" + owner + "/job/x", "PROC_TEST_CHILD=hang"}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		return cmd
	}
	self, _ := readStat(os.Getpid())
	mine := start(Owner())
	dead := start(fmt.Sprintf("%s.%d.%d", pidNamespace(), self.pid, self.start+1)) // our pid, but another process
	for _, cmd := range []*exec.Cmd{mine, dead} {
		for markerOf(cmd.Process.Pid) == "" { // until exec is through
			time.Sleep(time.Millisecond)
		}
	}
	if n, left := Sweep(); n < 1 || left != 0 {
		t.Errorf("swept %d, %d left", n, left)
	}
	_ = dead.Wait()
	if dead.ProcessState.Sys() == nil || dead.ProcessState.Success() {
		t.Errorf("the leftover of a dead agent ended with %v", dead.ProcessState)
	}
	if !alive(mine.Process.Pid) {
		t.Error("the child of a living agent was swept")
	}
}

// A process that cannot be looked at, for want of files or of permission, is not dead.
func TestOwnerThatCannotBeSeen(t *testing.T) {
	cmd := exec.Command(os.Args[0], Owner())
	cmd.Env = []string{"PROC_TEST_CHILD=no-files", namespaceEnv + "=" + pidNamespace()}
	if out, err := cmd.Output(); err != nil || string(out) != "false\n" {
		t.Errorf("dead: %s, %v", out, err)
	}
}

// A leader that does not end even when it is killed is reported, and reaped once it has ended after all.
func TestLateLeaderIsReaped(t *testing.T) {
	s := spec(t, "hang")
	cmd, files, err := command(s)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(files)
	c, err := begin(cmd, s)
	if err != nil {
		t.Fatal(err)
	}
	exited, reaped := make(chan struct{}), make(chan error, 1)
	c.finish(exited, func() { reaped <- cmd.Wait() })
	if c.res.Survivors != 1 || c.res.ExitCode != -1 {
		t.Errorf("got %+v", c.res)
	}
	close(exited)
	select {
	case <-reaped:
	case <-time.After(20 * time.Second):
		t.Error("it is a zombie for good")
	}
}

func TestSignalOneSparesAReusedPid(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"PROC_TEST_CHILD=hang"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	s, _ := readStat(cmd.Process.Pid)
	s.start--
	signalOne(s, unix.SIGKILL)
	if !alive(cmd.Process.Pid) {
		t.Error("a process with another start time was killed")
	}
}

func TestParseStat(t *testing.T) {
	line := "12 (a) Z (b) S 3 4 5 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 777 1000 25 0"
	s, ok := parseStat([]byte(line))
	want := stat{
		identity: identity{12, 777}, ppid: 3, pgrp: 4, session: 5, rss: 25 * pageSize, threads: 1, cpu: 3 * tick,
	}
	if !ok || s != want {
		t.Errorf("got %+v %v, want %+v", s, ok, want)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (a) S 3 4 5 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 777 1000 25 0"))
	f.Add([]byte(") ("))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, ok := parseStat(b); ok && !bytes.Contains(b, []byte(")")) {
			t.Errorf("%q is no line of /proc/<pid>/stat", b)
		}
	})
}

func FuzzOwnerDead(f *testing.F) {
	f.Add("1.2.3")
	f.Fuzz(func(t *testing.T, owner string) {
		if ownerDead(owner, "1") && !strings.HasPrefix(owner, "1.") {
			t.Errorf("%q belongs to another namespace", owner)
		}
	})
}

// Subreaper is not among the levels: it would stay on.
func BenchmarkRun(b *testing.B) {
	for _, l := range []Level{Group, PIDNamespace, Cgroup} {
		c, err := Contain(l)
		if err != nil {
			continue
		}
		b.Run(string(l), func(b *testing.B) {
			for b.Loop() {
				s := spec(b, "none")
				s.Contain, s.Record = c, s.Stdout+".record"
				run(b, b.Context(), s)
			}
		})
	}
}

func BenchmarkMeasure(b *testing.B) {
	tr := newTree(os.Getppid(), "")
	for b.Loop() {
		tr.measure()
	}
}

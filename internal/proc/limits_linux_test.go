package proc

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func TestMemoryLimits(t *testing.T) {
	s := spec(t, "memory")
	s.MemoryBytes, s.SoftMemoryBytes = 100<<20, 50<<20
	var warned []int64
	s.OnSoftMemory = func(bytes int64) { warned = append(warned, bytes) }
	res := run(t, t.Context(), s)
	if res.Cause != Memory || res.PeakMemory < s.MemoryBytes || res.Signal != "killed" {
		t.Errorf("got %+v, want it killed at once", res)
	}
	if len(warned) != 1 || warned[0] <= s.SoftMemoryBytes {
		t.Errorf("warned of %v", warned)
	}
}

// What is over the soft limit alone goes on.
func TestSoftMemoryLimit(t *testing.T) {
	s := spec(t, "memory")
	s.SoftMemoryBytes, s.SampleInterval = 50<<20, 50*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	warned, samples := 0, 0
	s.OnSoftMemory = func(int64) { warned++ }
	s.OnSample = func(Usage) {
		if warned > 0 {
			samples++
		}
		if samples == 5 {
			cancel()
		}
	}
	if res := run(t, ctx, s); res.Cause != Cancel || warned != 1 {
		t.Errorf("got %+v, warned %d times, want once", res, warned)
	}
}

func TestCPULimit(t *testing.T) {
	s := spec(t, "busy")
	s.CPUTime, s.SampleInterval = 200*time.Millisecond, 50*time.Millisecond
	res := run(t, t.Context(), s)
	if res.Cause != CPU || res.CPU < s.CPUTime || res.Signal == "" {
		t.Errorf("got %+v", res)
	}
}

func TestProcessLimit(t *testing.T) {
	s := spec(t, "fork")
	s.MaxProcesses, s.SampleInterval = forked/2, 50*time.Millisecond
	res := run(t, t.Context(), s)
	if res.Cause != Processes || res.PeakProcesses <= s.MaxProcesses || res.PeakThreads < res.PeakProcesses || res.Survivors != 0 {
		t.Errorf("got %+v", res)
	}
}

func TestProcessesAreCounted(t *testing.T) {
	s := spec(t, "fork")
	ctx, cancel := context.WithCancel(t.Context())
	s.SampleInterval = 50 * time.Millisecond
	s.OnSample = func(u Usage) {
		if u.Processes > forked {
			cancel()
		}
	}
	if res := run(t, ctx, s); res.Cause != Cancel || res.PeakProcesses != forked+1 || res.Survivors != 0 {
		t.Errorf("got %+v, want %d processes", res, forked+1)
	}
}

func TestStuck(t *testing.T) {
	s := spec(t, "hang")
	s.StuckTimeout, s.SampleInterval = 400*time.Millisecond, 50*time.Millisecond
	res := run(t, t.Context(), s)
	if res.Cause != Stuck || res.Duration < s.StuckTimeout {
		t.Errorf("got %+v", res)
	}
}

// What writes, or computes, is not stuck.
func TestNotStuck(t *testing.T) {
	for mode, want := range map[string]Cause{"tick": Exit, "busy": Timeout} {
		t.Run(mode, func(t *testing.T) {
			s := spec(t, mode)
			s.StuckTimeout = 2 * time.Second
			if want == Timeout {
				s.Timeout = 2 * s.StuckTimeout
			}
			if res := run(t, t.Context(), s); res.Cause != want {
				t.Errorf("got %+v, want %s", res, want)
			}
		})
	}
}

func TestIdle(t *testing.T) {
	now := time.Unix(1000, 0)
	i := idle{since: now}
	for _, step := range []struct {
		after  time.Duration
		cpu    time.Duration
		output int64
		want   time.Duration
	}{
		{time.Second, 0, 0, time.Second},
		{time.Second, 0, 0, 2 * time.Second},
		{time.Second, tick, 0, 0},
		{time.Second, tick, 0, time.Second},
		{time.Second, tick, 1, 0},
		{time.Second, tick, 0, 0}, // a file that is begun again is a change, too
		{time.Second, tick, 0, time.Second},
	} {
		now = now.Add(step.after)
		if got := i.lasts(now, step.cpu, step.output); got != step.want {
			t.Errorf("%+v: got %s", step, got)
		}
	}
}

// The CPU time of the tree holds that of a process which has ended, waited for or not.
func TestCPUOfTheTree(t *testing.T) {
	t.Run("waited for", func(t *testing.T) {
		res := run(t, t.Context(), spec(t, "spend"))
		if res.CPU < spentCPU || res.CPU > res.UserCPU+res.SystemCPU+tick {
			t.Errorf("got %s, %+v", res.CPU, res)
		}
	})
	t.Run("not waited for", func(t *testing.T) {
		s := spec(t, "spend-unwaited")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s.SampleInterval = 20 * time.Millisecond
		left := 0
		s.OnSample = func(Usage) {
			if b, _ := os.ReadFile(s.Stdout); string(b) == "spent\n" {
				if left++; left == 3 { // it is gone by now
					cancel()
				}
			}
		}
		res := run(t, ctx, s)
		if others := res.CPU - res.UserCPU - res.SystemCPU; others < spentCPU/2 || others > 3*spentCPU {
			t.Errorf("got %s beside the leader, of %s: %+v", others, spentCPU, res)
		}
	})
}

func TestCPUAccount(t *testing.T) {
	p := func(pid, ppid int, own, waited time.Duration) stat {
		return stat{identity: identity{pid, 1}, ppid: ppid, cpu: own, waited: waited}
	}
	for name, tt := range map[string]struct {
		samples [][]stat
		want    time.Duration
	}{
		"waited for":        {[][]stat{{p(1, 0, 1, 0), p(2, 1, 5, 0)}, {p(1, 0, 1, 6)}}, 7},
		"not waited for":    {[][]stat{{p(1, 0, 1, 0), p(2, 1, 5, 0)}, {p(1, 0, 1, 0)}}, 6},
		"one of two":        {[][]stat{{p(1, 0, 1, 0), p(2, 1, 5, 0), p(3, 1, 7, 0)}, {p(1, 0, 1, 5)}}, 13},
		"grandchild":        {[][]stat{{p(1, 0, 1, 0), p(2, 1, 2, 0), p(3, 2, 4, 0)}, {p(1, 0, 1, 6)}}, 7},
		"orphan":            {[][]stat{{p(1, 0, 1, 0), p(2, 1, 2, 0), p(3, 2, 4, 0)}, {p(1, 0, 1, 2), p(3, 99, 5, 0)}, {p(1, 0, 1, 2)}}, 8},
		"pid used again":    {[][]stat{{p(1, 0, 1, 0), p(2, 1, 5, 0)}, {p(1, 0, 1, 0), {identity: identity{2, 9}, ppid: 1, cpu: 3}}}, 9},
		"all gone":          {[][]stat{{p(1, 0, 1, 0), p(2, 1, 5, 0)}, nil, nil}, 6},
		"a circle of links": {[][]stat{{p(1, 2, 1, 0), p(2, 1, 5, 0)}, nil}, 6},
	} {
		t.Run(name, func(t *testing.T) {
			var a cpuAccount
			var got, before time.Duration
			for _, s := range tt.samples {
				if got = a.add(s); got < before {
					t.Errorf("fell from %d to %d", before, got)
				}
				before = got
			}
			if got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// A child that the kernel kills for lack of memory is told from one that somebody killed.
func TestOOM(t *testing.T) {
	dir, err := os.MkdirTemp("/sys/fs/cgroup/memory", "proc-test-")
	if err != nil {
		t.Skip("no memory cgroup of version 1 can be made here:", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "memory.limit_in_bytes"), []byte(strconv.Itoa(64<<20)), 0o600); err != nil {
		t.Skip(err)
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	s := spec(t, "memory")
	s.Path, s.Args = shell, []string{"-c", `echo $$ >"$1/cgroup.procs" && exec "$2"`, "sh", dir, os.Args[0]}
	if res := run(t, t.Context(), s); res.Cause != OOM || res.Signal != "killed" || res.ExitCode != -1 {
		stderr, _ := os.ReadFile(s.Stderr)
		t.Errorf("got %+v, %s", res, stderr)
	}
}

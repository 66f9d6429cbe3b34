package proc

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// start starts a child of this binary that does what mode says, and returns what List says of it once it is ready.
func start(t *testing.T, mode string, args ...string) (*exec.Cmd, Process) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = []string{"PROC_TEST_CHILD=" + mode, MarkerEnv + "=" + Owner() + "/job/x"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return cmd, find(t, cmd.Process.Pid)
}

func find(t *testing.T, pid int) Process {
	t.Helper()
	all, cut, err := List(1 << 20)
	if err != nil || cut {
		t.Fatal(cut, err)
	}
	for _, p := range all {
		if p.PID == pid {
			return p
		}
	}
	t.Fatalf("process %d is not listed", pid)
	return Process{}
}

func TestListSaysWhatAProcessIs(t *testing.T) {
	_, p := start(t, "hang", "--token", "a b")
	if p.Parent != os.Getpid() || p.Name == "" || p.Memory <= 0 || p.Age < 0 || p.Age > time.Hour || p.Zombie || p.Kernel {
		t.Errorf("got %+v", p)
	}
	if got := p.Command(); !strings.HasSuffix(got, " --token a b") {
		t.Errorf("its command line is %q", got)
	}
	if real, effective, ok := p.Users(); !ok || real != os.Getuid() || effective != os.Geteuid() {
		t.Errorf("its users are %d %d %v", real, effective, ok)
	}
	if marked, orphan := p.Marked(); !marked || orphan {
		t.Errorf("its marker: %v, of a dead owner: %v", marked, orphan)
	}
	if all, cut, err := List(1); err != nil || len(all) != 1 || !cut {
		t.Errorf("a list of 1: %d, cut %v, %v", len(all), cut, err)
	}
}

func TestListSeesZombies(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"PROC_TEST_CHILD=none"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	for deadline := time.Now().Add(20 * time.Second); !find(t, cmd.Process.Pid).Zombie; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is no zombie")
		}
	}
}

func TestEnd(t *testing.T) {
	always := func(Process) bool { return true }
	cmd, p := start(t, "hang")
	if killed, err := p.End(t.Context(), 20*time.Second, always); killed || err != nil {
		t.Errorf("one that takes TERM: killed %v, %v", killed, err)
	}
	if killed, err := p.End(t.Context(), 0, always); killed || !errors.Is(err, ErrGone) {
		t.Errorf("a zombie: killed %v, %v", killed, err)
	}
	_ = cmd.Wait()
	if _, err := p.End(t.Context(), 0, always); !errors.Is(err, ErrGone) {
		t.Errorf("one that is gone: %v", err)
	}
	_, deaf := start(t, "deaf")
	if killed, err := deaf.End(t.Context(), 100*time.Millisecond, always); !killed || err != nil {
		t.Errorf("a deaf one: killed %v, %v", killed, err)
	}
	_, deaf = start(t, "deaf")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if killed, err := deaf.End(ctx, time.Hour, always); !killed || err != nil {
		t.Errorf("a cancelled grace: killed %v, %v", killed, err)
	}
}

func TestEndSparesAReusedPid(t *testing.T) {
	_, p := start(t, "hang")
	if _, err := p.End(t.Context(), 0, func(Process) bool { return false }); !errors.Is(err, ErrGone) || !alive(p.PID) {
		t.Errorf("one that the caller spares: %v, alive %v", err, alive(p.PID))
	}
	_, deaf := start(t, "deaf")
	asked := 0
	if killed, err := deaf.End(t.Context(), time.Millisecond, func(Process) bool { asked++; return asked == 1 }); killed || !errors.Is(err, ErrGone) || !alive(deaf.PID) {
		t.Errorf("one that the caller spares after TERM: killed %v, %v", killed, err)
	}
	p.Start--
	if _, err := p.End(t.Context(), 0, func(now Process) bool { return now.Name != "" }); !errors.Is(err, ErrGone) || !alive(p.PID) {
		t.Errorf("another start time: %v, alive %v", err, alive(p.PID))
	}
}

func FuzzParseProcess(f *testing.F) {
	f.Add([]byte("12 (a) S 3 4 5 0 -1 2129984 0 0 0 0 1 2 0 0 20 0 1 0 777 1000 25 0"))
	f.Add([]byte("12 a) (S 3 4 5 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 777 1000 25 0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, ok := parseProcess(b, time.Hour); ok && (p.Age < 0 || !bytes.Contains(b, []byte(p.Name))) {
			t.Errorf("%q: %+v", b, p)
		}
	})
}

func BenchmarkList(b *testing.B) {
	n := 0
	for b.Loop() {
		all, _, err := List(1 << 20)
		if err != nil {
			b.Fatal(err)
		}
		n = len(all)
	}
	b.ReportMetric(float64(n), "processes")
}

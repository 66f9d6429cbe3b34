package proc

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func itoa(n int) string { return strconv.Itoa(n) }

// The first process of a namespace that does nothing about TERM is not told by it: the grace period would be for nothing.
func TestNoGraceForWhoCannotHear(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	s := spec(t, "")
	s.Path, s.Args, s.Contain = sleep, []string{"600"}, containment(t, PIDNamespace)
	s.Grace = time.Hour // the test would time out
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := time.AfterFunc(100*time.Millisecond, cancel)
	defer cancelled.Stop()
	if res := run(t, ctx, s); res.Cause != Cancel || res.Signal != "killed" {
		t.Errorf("got %+v", res)
	}
}

func TestHears(t *testing.T) {
	if !hears(os.Getpid(), syscall.SIGTERM) { // the runtime of Go handles it
		t.Error("a handled signal is not seen")
	}
	if hears(os.Getpid(), syscall.SIGKILL) {
		t.Error("SIGKILL is handled")
	}
}

// A child in a namespace ends with the thread that started it. Threads end all the time, with goroutines that others
// lock to them; that one does not.
func TestChildrenOutliveForeignThreads(t *testing.T) {
	c := containment(t, PIDNamespace)
	var children []*Child
	for range 20 {
		s := spec(t, "hang")
		s.Stdout, s.Stderr, s.Contain = "", "", c
		child, err := Start(s)
		if err != nil {
			t.Fatal(err)
		}
		children = append(children, child)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(runtime.LockOSThread) // which ends the thread with the goroutine
		}
		wg.Wait()
	}
	for _, child := range children {
		select {
		case <-child.Exited():
			t.Error("a child ended with a thread")
		default:
		}
		child.Stop()
	}
}

// Without privilege a namespace is to be had where the host allows user namespaces, and a group is not.
func TestUnprivilegedLevels(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to become somebody else")
	}
	a := agent{Level: Auto, Dir: t.TempDir(), Token: rand.Text(), How: "ended", UID: 65534, Binary: filepath.Join(t.TempDir(), "agent")}
	for dir := a.Dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Dir(a.Binary), 0o755); err != nil {
		t.Fatal(err)
	}
	copyFile(t, os.Args[0], a.Binary)
	for _, l := range []Level{Auto, PIDNamespace} {
		a.Level = l
		for _, name := range []string{"out", "err", "record", "end"} {
			_ = os.Remove(filepath.Join(a.Dir, name)) // of the level before
		}
		out, err := a.command().Output()
		alive := tokened(a.Token)
		sweepToken(a.Token)
		var res Result
		if err != nil || json.Unmarshal(out, &res) != nil {
			t.Fatalf("%s: %v: %s", l, err, out)
		}
		if len(alive) > 0 || res.Survivors > 0 || res.Containment == Cgroup {
			t.Errorf("%s: alive: %s; %+v", l, tally(alive), res)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	src, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(dst, src); err != nil {
		t.Fatal(err)
	}
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
}

// Where /proc shows another pid namespace than ours, its numbers mean other processes: none is looked up or signalled by
// them, and nobody is taken for dead.
func TestProcOfAnotherNamespace(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"PROC_TEST_CHILD=foreign-proc"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) {
		t.Skip(err)
	}
	if got := string(out); err != nil || got != "tree false, 0 processes, owner dead false, leftovers 0, exit 7\n" {
		t.Errorf("%v: %s", err, got)
	}
}

// beForeign is process 1 of a namespace that /proc does not show.
func beForeign() {
	dir, err := os.MkdirTemp("", "foreign")
	must(err)
	defer os.RemoveAll(dir)
	s := Spec{
		Path: os.Args[0], Env: []string{"PROC_TEST_CHILD=exit"}, Marker: MakeMarker("test"),
		Stdout: filepath.Join(dir, "out"), Stderr: filepath.Join(dir, "err"), Record: filepath.Join(dir, "record"),
	}
	res, err := Run(context.Background(), s)
	must(err)
	owner := pidNamespace() + "." + itoa(os.Getpid()) + ".1"
	fmt.Printf("tree %v, %d processes, owner dead %v, leftovers %d, exit %d\n",
		Supported().Tree, len(withZombies()), OwnerDead(owner), res.Leftovers, res.ExitCode)
}

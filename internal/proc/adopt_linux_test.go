package proc

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reaped is what an agent that reaps orphans beside its own children tells.
type reaped struct {
	Wrong   []string // own children whose exit code was not theirs
	Orphans int      // that were reaped
	Zombies int      // that were not
}

// reap is that agent.
func (a *agent) reap() {
	if os.Getpid() == 1 { // it is to see the processes that it may wait for
		must(errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("proc", "/proc", "proc", 0, "")))
		strangerTime = 0
	} else {
		must(becomeSubreaper())
	}
	var out reaped
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			// A child of ours that leaves an orphan, which ends a moment later.
			code := i%50 + 1
			cmd := exec.Command("/bin/sh", "-c", "(exec setsid sleep 0.0"+strconv.Itoa(i%10)+") & exit "+strconv.Itoa(code))
			cmd.SysProcAttr = groupAttr()
			must(launch(cmd, ""))
			for s, ok := readStat(cmd.Process.Pid); ok && !s.zombie; s, ok = readStat(cmd.Process.Pid) {
				time.Sleep(time.Millisecond)
			}
			n := reap() // it has ended, and nobody has waited for it yet
			err := cmd.Wait()
			forget(cmd.Process.Pid)
			mu.Lock()
			defer mu.Unlock()
			out.Orphans += n
			if got := cmd.ProcessState.ExitCode(); got != code {
				out.Wrong = append(out.Wrong, fmt.Sprintf("%d for %d: %v", got, code, err))
			}
		})
	}
	zombies := func() (n int) {
		for _, s := range withZombies() {
			if s.zombie && s.ppid == os.Getpid() {
				n++
			}
		}
		return n
	}
	wg.Wait()
	for end := time.Now().Add(20 * time.Second); out.Orphans < 60 && time.Now().Before(end); { // the last ones end later
		out.Orphans += reap()
	}
	out.Zombies = zombies()
	must(json.NewEncoder(os.Stdout).Encode(out))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// A subreaper, and process 1, reap the orphans that come to them, and leave everybody's exit codes alone.
func TestOrphansAreReapedAndExitCodesKept(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip(err)
	}
	for name, flags := range map[string]uintptr{"subreaper": 0, "process 1": unix.CLONE_NEWPID | unix.CLONE_NEWNS} {
		t.Run(name, func(t *testing.T) {
			cmd := (&agent{How: "reap", Dir: t.TempDir(), Token: rand.Text()}).command()
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
			out, err := cmd.Output()
			if errors.Is(err, unix.EPERM) {
				t.Skip(err)
			}
			var r reaped
			if e := errors.Join(err, json.Unmarshal(out, &r)); e != nil {
				t.Fatal(e)
			}
			if len(r.Wrong) > 0 || r.Zombies > 0 || r.Orphans != 60 {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// An orphan without marker is of the only tree that can have started it; of two, of neither as long as both run.
func TestOrphanOfTheOnlyTree(t *testing.T) {
	old, young := newTree(1, ""), newTree(2, "")
	family.Lock()
	defer family.Unlock()
	defer func(before map[*tree]uint64) { family.trees = before }(family.trees)
	family.trees = map[*tree]uint64{old: 100, young: 200}
	for _, tt := range []struct {
		start      uint64
		old, young bool
	}{{50, false, false}, {150, true, false}, {250, false, false}} {
		s := stat{identity: identity{3, tt.start}}
		if old.only(s) != tt.old || young.only(s) != tt.young {
			t.Errorf("started at %d: %v %v", tt.start, old.only(s), young.only(s))
		}
	}
	delete(family.trees, old)
	if !young.only(stat{identity: identity{3, 250}}) {
		t.Error("the last tree that can have started it does not own it")
	}
}

// Where limits cannot be set, the environment tells a child.
func TestMarkerWithoutMark(t *testing.T) {
	marker := MakeMarker("job")
	s := hang(t, marker)
	for !carries(s, marker) && alive(s.pid) { // until exec is through
		time.Sleep(time.Millisecond)
	}
	if readMark(s.pid) != 0 || carries(s, marker+"x") || carries(s, "") {
		t.Errorf("mark %x", readMark(s.pid))
	}
}

// A child that somebody else in this program starts at the same moment as a scanner does not keep the scanner's mark.
func TestOnlyTheChildIsMarked(t *testing.T) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var others []*exec.Cmd
	wg.Go(func() {
		for len(others) < 50 {
			select {
			case <-stop:
				return
			default:
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = []string{"PROC_TEST_CHILD=hang"}
			cmd.SysProcAttr = groupAttr()
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			others = append(others, cmd)
		}
	})
	for range 10 {
		s := spec(t, "hang")
		s.Stdout, s.Stderr = "", ""
		c, err := Start(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := readMark(c.PID()); got != markOf(s.Marker) {
			t.Errorf("the mark is %x, want %x", got, markOf(s.Marker))
		}
		c.Stop()
	}
	close(stop)
	wg.Wait()
	for _, cmd := range others {
		if readMark(cmd.Process.Pid) != 0 {
			t.Error("a stranger is marked")
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if readMark(os.Getpid()) != 0 {
		t.Error("this process is marked")
	}
}

// The same where orphans come to this process: one that is no child of ours would be killed with the scanner.
func TestNoStrangerIsMarkedAtASubreaper(t *testing.T) {
	family.Lock()
	before := family.subreaper
	family.subreaper = true
	family.Unlock()
	defer func() {
		family.Lock()
		defer family.Unlock()
		family.subreaper = before
	}()
	var stranger stat
	marker := MakeMarker("test")
	launching.Lock()
	defer launching.Unlock()
	if err := marked(marker, func() error { stranger = hang(t, ""); return nil }); err != nil {
		t.Fatal(err)
	}
	if carries(stranger, marker) {
		t.Error("a stranger is marked")
	}
}

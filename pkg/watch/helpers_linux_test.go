package watch

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/sdktest"
)

const childEnv = "WATCH_TEST_CHILD"

// TestMain turns the test binary into the process that a test asks for.
func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		_ = os.Unsetenv(childEnv) // what it starts must not do the same
		beProcess(mode)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func beProcess(mode string) {
	if next, ok := strings.CutPrefix(mode, "launch:"); ok { // starts it and ends, so that it is nobody's child
		cmd := exec.Command(os.Args[0], os.Args[1:]...)
		cmd.Env = append(os.Environ(), childEnv+"="+next)
		cmd.Stdout = os.Stdout
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		return
	}
	var hog []byte
	switch mode {
	case "quit":
		return
	case "subreaper":
		beSubreaper()
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	case "hog":
		hog = make([]byte, 64<<20)
		for i := range hog {
			hog[i] = byte(i)
		}
	case "zombies":
		for range 3 {
			if err := exec.Command("/bin/true").Start(); err != nil {
				panic(err)
			}
		}
	}
	fmt.Println(os.Getpid())
	end := time.Now().Add(2 * time.Minute) // in case the test dies
	for mode == "spin" && time.Now().Before(end) {
	}
	time.Sleep(time.Until(end))
	runtime.KeepAlive(hog)
}

// beSubreaper returns once it has reaped an orphan that somebody below it has left.
func beSubreaper() {
	if _, err := proc.Contain(proc.Subreaper); err != nil {
		panic(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=launch:quit")
	w, err := New(Config{Interval: time.Second})
	if err := errors.Join(err, cmd.Run()); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	for w.Status().Reaped == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	<-done
}

// token is an argument that no other process of the host has.
func token() string { return "watch-test-" + rand.Text() }

// launch starts a process that is no child of the test, and ends it with the test.
func launch(t *testing.T, mode, token string, env ...string) proc.Process {
	t.Helper()
	return started(t, "launch:"+mode, token, env...)
}

func started(t *testing.T, mode, token string, env ...string) proc.Process {
	t.Helper()
	cmd := exec.Command(os.Args[0], token)
	cmd.Env = append(append(os.Environ(), childEnv+"="+mode), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(mode, "launch:") {
		if err := cmd.Wait(); err != nil { // until then what it started descends from us
			t.Fatal(err)
		}
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p, ok := lookUp(t, pid); ok && strings.Contains(p.Command(), token) {
			_, err := p.End(context.Background(), 0, func(proc.Process) bool { return true })
			if err != nil && !errors.Is(err, proc.ErrGone) {
				t.Error(err)
			}
		}
		_ = cmd.Wait()
	})
	p, ok := lookUp(t, pid)
	if !ok {
		t.Fatalf("process %d is not listed", pid)
	}
	return p
}

func lookUp(t *testing.T, pid int) (proc.Process, bool) {
	t.Helper()
	all, _, err := proc.List(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.PID == pid {
			return p, true
		}
	}
	return proc.Process{}, false
}

// alive says whether it is still the same process and no zombie.
func alive(t *testing.T, p proc.Process) bool {
	t.Helper()
	now, ok := lookUp(t, p.PID)
	return ok && now.Start == p.Start && !now.Zombie
}

// watcher returns one with a rule about the processes that have the token.
func watcher(t *testing.T, token string, change func(*Config, *Rule)) (*Watcher, *sdktest.Recorder) {
	t.Helper()
	events := &sdktest.Recorder{}
	c := Config{Sink: events, Grace: 200 * time.Millisecond, MaxZombies: -1} // other tests of this host may have some
	r := Rule{Name: "test", Pattern: regexp.QuoteMeta(token), HardMemoryBytes: 1 << 20}
	if change != nil {
		change(&c, &r)
	}
	c.Rules = append(c.Rules, r)
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return w, events
}

func look(t *testing.T, w *Watcher) *Look {
	t.Helper()
	l, err := w.LookAtProcesses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// only returns the one finding of a look.
func only(t *testing.T, l *Look) *Finding {
	t.Helper()
	if len(l.Findings) != 1 {
		t.Fatalf("%d findings of %d processes, %d matched, want 1 finding", len(l.Findings), l.Seen, l.Matched)
	}
	return l.Findings[0]
}

// until takes looks, with pauses, until ok is content.
func until(t *testing.T, w *Watcher, pause time.Duration, ok func(*Look) bool) *Look {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(pause) {
		l := look(t, w)
		if ok(l) {
			return l
		}
		if time.Now().After(deadline) {
			t.Fatalf("it never came to that; the last look: %+v", l)
		}
	}
}

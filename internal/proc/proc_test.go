//go:build unix

package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain turns the test binary into the child that a test asks for.
func TestMain(m *testing.M) {
	standAlone()
	beOther()
	if mode := os.Getenv("PROC_TEST_CHILD"); mode != "" {
		beChild(mode)
	}
	if os.Getenv(MarkerEnv) != "" {
		os.Exit(99) // a child that has lost its mode would run the tests, which start children
	}
	os.Exit(m.Run())
}

func beChild(mode string) {
	switch mode {
	case "exit":
		fmt.Println("out")
		fmt.Fprintln(os.Stderr, "err")
		os.Exit(7)
	case "stdin":
		n, err := os.Stdin.Read(make([]byte, 1))
		fmt.Println(n, err)
	case "env":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "core":
		var l syscall.Rlimit
		time.Sleep(100 * time.Millisecond) // the limit is set after the start
		_ = syscall.Getrlimit(syscall.RLIMIT_CORE, &l)
		fmt.Println(l.Max)
	case "hang":
		fmt.Println("ready")
		time.Sleep(time.Minute)
	case "join": // the group of whoever started it, and then start one there that loses its parent
		if group, err := syscall.Getpgid(os.Getppid()); err != nil || syscall.Setpgid(0, group) != nil {
			panic("no such group")
		}
		family := exec.Command(os.Args[0])
		family.Env = append(os.Environ(), "PROC_TEST_CHILD=family")
		family.Stdout, family.Stderr = os.Stdout, os.Stderr
		if err := family.Run(); err != nil {
			panic(err)
		}
		time.Sleep(time.Minute)
	case "foreign-proc":
		beForeign()
	case "sweep":
		_, left := Sweep(os.Args[1])
		fmt.Println(left, "left")
	case "no-files":
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{}) // the test fails without
		fmt.Println(OwnerDead(os.Args[1]))
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Minute)
	case "flood":
		b := bytes.Repeat([]byte("x"), 1<<20)
		for range 1024 {
			_, _ = os.Stdout.Write(b)
		}
	case "busy": // for ever
		fmt.Println("ready")
		for cpuTime() >= 0 {
		}
	case "spend": // CPU time, in a child that is waited for and ends
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "PROC_TEST_CHILD=spender")
		if err := cmd.Run(); err != nil {
			panic(err)
		}
	case "spend-unwaited": // the same in one whose parent ended before, and then this one hangs
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "PROC_TEST_CHILD=spend-daemon")
		cmd.Stdout = os.Stdout
		if err := cmd.Run(); err != nil {
			panic(err)
		}
		time.Sleep(time.Minute)
	case "spend-daemon":
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "PROC_TEST_CHILD=spender")
		cmd.Stdout = os.Stdout
		if err := cmd.Start(); err != nil {
			panic(err)
		}
	case "spender":
		for cpuTime() < spentCPU {
		}
		fmt.Println("spent")
	case "bomb":
		for range 100 {
			cmd := exec.Command(os.Args[0])
			cmd.Env = []string{"PROC_TEST_CHILD=hang"}
			_ = cmd.Start() // some are refused
		}
	case "fork":
		for range forked {
			if err := exec.Command("/bin/sleep", "60").Start(); err != nil {
				panic(err)
			}
		}
		fmt.Println("ready")
		time.Sleep(time.Minute)
	case "tick": // a line now and then, for next to no CPU time
		for range 8 {
			time.Sleep(100 * time.Millisecond)
			fmt.Println("alive")
		}
	case "flood-last": // when it is asked to end
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		fmt.Println("ready")
		<-asked
		b := bytes.Repeat([]byte("x"), 1<<20)
		for range 64 {
			_, _ = os.Stdout.Write(b)
		}
		time.Sleep(time.Minute)
	case "memory":
		b := make([]byte, 200<<20)
		for i := range b {
			b[i] = byte(i)
		}
		fmt.Println("ready")
		time.Sleep(time.Minute)
		runtime.KeepAlive(b)
	case "echo":
		fmt.Fprintln(os.Stderr, "ready")
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "abort":
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
		time.Sleep(time.Minute)
	case "family", "family-setsid", "family-hang":
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "PROC_TEST_CHILD=deaf")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr // holds our output open
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: mode == "family-setsid"}
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		fmt.Println("child", cmd.Process.Pid)
		if mode == "family-hang" {
			time.Sleep(time.Minute)
		}
	}
	os.Exit(0)
}

const (
	spentCPU = 300 * time.Millisecond
	forked   = 40
)

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var ru syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &ru) // it does not fail
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// spec returns a child in the given mode with a limit that keeps a broken test short.
func spec(t testing.TB, mode string) Spec {
	dir := t.TempDir()
	return Spec{
		Path: os.Args[0], Env: []string{"PROC_TEST_CHILD=" + mode, "GORACE=atexit_sleep_ms=0"}, Marker: MakeMarker("test"),
		Stdout: filepath.Join(dir, "out"), Stderr: filepath.Join(dir, "err"),
		Timeout: 20 * time.Second, Grace: 200 * time.Millisecond,
	}
}

func run(t testing.TB, ctx context.Context, s Spec) *Result {
	t.Helper()
	res, err := Run(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func output(t testing.TB, s Spec) string {
	t.Helper()
	b, err := os.ReadFile(s.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// awaitOutput returns once the child has written its first line.
func awaitOutput(t testing.TB, s Spec) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if b, _ := os.ReadFile(s.Stdout); bytes.ContainsRune(b, '\n') {
			return
		}
	}
	t.Error("the child did not get ready")
}

func TestExit(t *testing.T) {
	s := spec(t, "exit")
	res := run(t, t.Context(), s)
	if res.Cause != Exit || res.ExitCode != 7 || res.Signal != "" || res.Leftovers != 0 || res.Survivors != 0 {
		t.Errorf("got %+v", res)
	}
	if res.Duration <= 0 || res.UserCPU+res.SystemCPU <= 0 {
		t.Errorf("nothing was accounted: %+v", res)
	}
	stderr, _ := os.ReadFile(s.Stderr)
	if output(t, s) != "out\n" || string(stderr) != "err\n" {
		t.Errorf("got %q and %q", output(t, s), stderr)
	}
	for _, f := range []string{s.Stdout, s.Stderr} {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", f, info.Mode(), err)
		}
	}
}

func TestKilledFromOutside(t *testing.T) {
	res := run(t, t.Context(), spec(t, "abort"))
	if res.Cause != Exit || res.ExitCode != -1 || res.Signal != "killed" {
		t.Errorf("got %+v", res)
	}
}

func TestInputIsEmpty(t *testing.T) {
	s := spec(t, "stdin")
	run(t, t.Context(), s)
	if got := output(t, s); got != "0 EOF\n" {
		t.Errorf("got %q", got)
	}
}

func TestEnvironmentIsExactlyTheSpec(t *testing.T) {
	t.Setenv("API_KEY", "secret of the agent")
	s := spec(t, "env")
	s.Env = append(s.Env, MarkerEnv+"=of-somebody-else") // an agent in a scan has one that a definition may pass on
	run(t, t.Context(), s)
	want := MarkerEnv + "=" + s.Marker + "\nPROC_TEST_CHILD=env\nGORACE=atexit_sleep_ms=0\n"
	if got := output(t, s); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStartFails(t *testing.T) {
	s := spec(t, "exit")
	s.Path = filepath.Join(t.TempDir(), "none")
	if _, err := Run(t.Context(), s); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing executable: got %v", err)
	}
	s = spec(t, "exit")
	if err := os.WriteFile(s.Stdout, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), s); !errors.Is(err, fs.ErrExist) {
		t.Errorf("output file of somebody else: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, spec(t, "exit")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: got %v", err)
	}
}

func TestCauses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cancel func(context.CancelCauseFunc) // called once the child is ready
		limit  func(*Spec)
		want   Cause
	}{
		{"timeout", nil, func(s *Spec) { s.Timeout = 300 * time.Millisecond }, Timeout},
		{"cancel", func(c context.CancelCauseFunc) { c(nil) }, nil, Cancel},
		{"shutdown", func(c context.CancelCauseFunc) { c(fmt.Errorf("agent: %w", ErrShutdown)) }, nil, Shutdown},
		{"deadline", func(c context.CancelCauseFunc) { c(context.DeadlineExceeded) }, nil, Timeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			s := spec(t, "hang")
			if tt.limit != nil {
				tt.limit(&s)
			}
			if tt.cancel != nil {
				go func() {
					awaitOutput(t, s)
					tt.cancel(cancel)
				}()
			}
			res := run(t, ctx, s)
			if res.Cause != tt.want || res.ExitCode != -1 || res.Signal != "terminated" {
				t.Errorf("got %+v, want cause %s by TERM", res, tt.want)
			}
		})
	}
}

func TestDeafChildIsKilledAfterGrace(t *testing.T) {
	s := spec(t, "deaf")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		awaitOutput(t, s)
		cancel()
	}()
	res := run(t, ctx, s)
	if res.Cause != Cancel || res.Signal != "killed" || res.Duration < s.Grace {
		t.Errorf("got %+v", res)
	}
}

func TestOutputLimit(t *testing.T) {
	s := spec(t, "flood")
	s.MaxOutputBytes = 4 << 20
	res := run(t, t.Context(), s)
	if res.Cause != Output || res.File != s.Stdout {
		t.Errorf("got %+v", res)
	}
	if n := int64(len(output(t, s))); n >= 1<<30 {
		t.Errorf("it wrote all of its %d bytes", n)
	}
}

// Being asked to end is no leave to do harm until the grace period is over.
func TestHarmInTheGracePeriod(t *testing.T) {
	s := spec(t, "flood-last")
	s.Grace, s.MaxOutputBytes = 40*time.Second, 4<<20
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		awaitOutput(t, s)
		cancel()
	}()
	if res := run(t, ctx, s); res.Cause != Cancel || res.Signal != "killed" || res.Duration >= s.Grace {
		t.Errorf("got %+v", res)
	}
}

func TestOutputLimitIsCheckedAfterAQuickExit(t *testing.T) {
	s := spec(t, "exit")
	s.MaxOutputBytes = 1
	if res := run(t, t.Context(), s); res.Cause != Output {
		t.Errorf("got %+v", res)
	}
}

//go:build unix

package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/event"
)

func TestCallsReuseAServer(t *testing.T) {
	for _, framing := range []Framing{Lines, ContentLength} {
		c := server(string(framing))
		c.Framing = framing
		p, events := started(t, c)
		first := pid(t, p)
		for i := range 20 {
			var got map[string]int
			if err := p.Call(t.Context(), "echo", map[string]int{"n": i}, &got); err != nil || got["n"] != i {
				t.Fatalf("%s: got %v, %v", framing, got, err)
			}
		}
		if again := pid(t, p); again != first || first == os.Getpid() {
			t.Errorf("%s: pid %d, then %d", framing, first, again)
		}
		var refused *ResponseError
		if err := p.Call(t.Context(), "refuse", nil, nil); !errors.As(err, &refused) || refused.Code != 7 || pid(t, p) != first {
			t.Errorf("%s: an error as the answer: %v", framing, err)
		}
		s := p.Stats()
		if s.Started != 1 || s.Idle != 1 || s.Answered != 23 || s.Rejected != 1 || len(events.OfType(event.InstanceStarted)) != 1 {
			t.Errorf("%s: %+v", framing, s)
		}
	}
}

func TestServersOnAPort(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		c := server("listen")
		c.Network, c.Command = network, append(c.Command, network+"={addr}")
		p, _ := started(t, c)
		if pid(t, p) == os.Getpid() {
			t.Error("that is no other process")
		}
		broken(t, p.Call(t.Context(), "crash", nil, nil), Crash)
		pid(t, p)
	}
	c := server("deaf")
	c.Network, c.Command, c.StartTimeout, c.MaxFailures = "unix", append(c.Command, "{addr}"), 200*time.Millisecond, 1
	p, _ := started(t, c)
	if e := broken(t, p.Call(t.Context(), "pid", nil, nil), Start); !strings.Contains(e.Error(), "does not listen") {
		t.Errorf("got %v", e)
	}
}

// What goes wrong with a server in the middle of a call is told to the caller, and the next one gets another server.
func TestBadServersAreReplaced(t *testing.T) {
	for _, tt := range []struct {
		method string
		params any
		cause  Cause
		says   string
	}{
		{"crash", nil, Crash, "it ended with exit code 3; it said: dying words"},
		{"hang", nil, Timeout, "deadline exceeded"},
		{"garbage", nil, Garbage, `no message: "Listening on port 8080"`},
		{"wrong", nil, Garbage, "answer to call 999"},
		{"flood", nil, Flood, "messages between two answers"},
		{"huge", 1 << 20, TooLarge, "the limit is 65536"},
	} {
		t.Run(tt.method, func(t *testing.T) {
			c := server("")
			c.Max, c.MaxMessageBytes, c.MaxUnsolicited = 1, 1<<16, 1000
			if tt.method == "hang" {
				c.CallTimeout = 100 * time.Millisecond
			}
			p, events := started(t, c)
			first := get(t, p)
			err := first.Call(t.Context(), tt.method, tt.params, nil)
			if e := broken(t, err, tt.cause); e.Method != tt.method || e.PID != first.PID() || !strings.Contains(e.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
			broken(t, first.Call(t.Context(), "pid", nil, nil), tt.cause) // it stays broken
			first.Release()
			c.CallTimeout = 0
			if pid(t, p) == first.PID() {
				t.Error("it was not replaced")
			}
			until(t, p, "stopped", func(s Stats) bool { return s.Stopped[tt.cause] == 1 && s.Instances == 1 })
			stopped, err := events.WaitForN(t.Context(), 1, event.InstanceStopped)
			if err != nil || stopped[0].Details["cause"] != string(tt.cause) || stopped[0].Severity != event.Warn || stopped[0].Error == "" {
				t.Errorf("recorded %+v", stopped)
			}
		})
	}
}

func TestAServerThatIsKilledFromOutside(t *testing.T) {
	c := server("")
	c.Max = 1
	p, _ := started(t, c)
	s := get(t, p)
	done := make(chan error)
	go func() { done <- s.Call(t.Context(), "hang", nil, nil) }()
	until(t, p, "called", func(s Stats) bool { return s.Open == 1 })
	kill(t, s.PID())
	if e := broken(t, <-done, Crash); !strings.Contains(e.Error(), "killed") && !strings.Contains(e.Error(), "exit code") {
		t.Errorf("got %v", e)
	}
	s.Release()
	idle := pid(t, p)
	kill(t, idle) // while nobody uses it
	until(t, p, "gone", func(s Stats) bool { return s.Stopped[Crash] == 2 })
	if pid(t, p) == idle {
		t.Error("it was not replaced")
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
}

func TestAServerThatLeaks(t *testing.T) {
	if !proc.Supported().Memory {
		t.Skip("memory is not measured on this system")
	}
	c := server("")
	c.Max, c.MemoryBytes, c.HardMemoryBytes = 1, 100<<20, -1
	p, events := started(t, c)
	first := pid(t, p)
	if err := p.Call(t.Context(), "leak", 110, nil); err != nil {
		t.Fatal(err)
	}
	until(t, p, "replaced for its leak", func(s Stats) bool { return s.Stopped[Leak] == 1 && s.PeakMemory > 100<<20 })
	if pid(t, p) == first {
		t.Error("it was not replaced")
	}
	if stopped := events.OfType(event.InstanceStopped); len(stopped) != 1 || stopped[0].Severity != "" || stopped[0].Error != "" {
		t.Errorf("recorded %+v", stopped)
	}
	c.HardMemoryBytes = 150 << 20
	p, events = started(t, c)
	if e := broken(t, p.Call(t.Context(), "leak and hang", 160, nil), Memory); !strings.Contains(e.Error(), "the limit is 157286400") {
		t.Errorf("got %v", e)
	}
	stopped, err := events.WaitForN(t.Context(), 1, event.InstanceStopped)
	if err != nil || stopped[0].Severity != event.Warn || stopped[0].Details["cause"] != "memory" {
		t.Errorf("recorded %+v", stopped)
	}
}

// Eight callers on two servers: never more than two at a time, everybody is served, in the order in which they came.
func TestFairHandOut(t *testing.T) {
	c := server("")
	c.Max = 2
	p, _ := started(t, c)
	a, b := get(t, p), get(t, p)
	var mu sync.Mutex
	var order []int
	inUse, most := 0, 0
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s, err := p.Get(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, i)
			inUse++
			most = max(most, inUse)
			mu.Unlock()
			if err := s.Call(t.Context(), "sleep", 5, nil); err != nil {
				t.Error(err)
			}
			mu.Lock()
			inUse--
			mu.Unlock()
			s.Release()
		})
		until(t, p, "queued", func(s Stats) bool { return s.Waiting == i+1 })
	}
	a.Release() // one server serves all: its order is that of arrival
	wg.Wait()
	b.Release()
	if most != 1 || !slices.IsSorted(order) || len(order) != 8 {
		t.Errorf("order %v, %d at a time", order, most)
	}
	for range 8 { // and now on both
		wg.Go(func() {
			for range 10 {
				if err := p.Call(t.Context(), "echo", 1, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s := p.Stats(); s.Started != 2 || s.Answered != 88 || s.Granted != 90 {
		t.Errorf("%+v", s)
	}
}

func TestExhausted(t *testing.T) {
	c := server("")
	c.Max, c.MaxWaiting = 1, 1
	p, _ := started(t, c)
	s := get(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error)
	go func() {
		_, err := p.Get(ctx)
		waits <- err
	}()
	until(t, p, "waiting", func(s Stats) bool { return s.Waiting == 1 })
	var e *ErrExhausted
	if _, err := p.Get(t.Context()); !errors.As(err, &e) || e.Max != 1 || e.InUse != 1 || e.Waiting != 1 || e.Waited != 0 || e.Err != nil {
		t.Errorf("refused: %v", err)
	}
	cancel()
	if err := <-waits; !errors.As(err, &e) || !errors.Is(err, context.Canceled) || e.Waited <= 0 || e.Waiting != 0 {
		t.Errorf("given up: %v", err)
	}
	p.cfg.WaitTimeout = 10 * time.Millisecond
	if err := p.Call(t.Context(), "pid", nil, nil); !errors.As(err, &e) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waited too long: %v", err)
	}
	s.Release()
	s.Release()
	if err := s.Call(t.Context(), "pid", nil, nil); !errors.Is(err, ErrReleased) {
		t.Errorf("a released server: %v", err)
	}
	pid(t, p) // it is free again, once
	if got := p.Stats(); got.Exhausted != 3 || got.Idle != 1 {
		t.Errorf("%+v", got)
	}
}

// A server whose caller gave up is not handed out before it has answered; it is not replaced either.
func TestACancelledCallCostsNoServer(t *testing.T) {
	c := server("")
	c.Max = 1
	p, _ := started(t, c)
	first := get(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := first.Call(ctx, "sleep", 300, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	first.Release()
	if s := p.Stats(); s.Resting != 1 || s.Abandoned != 1 {
		t.Errorf("%+v", s)
	}
	if got := pid(t, p); got != first.PID() {
		t.Errorf("pid %d, then %d", first.PID(), got)
	}
	p.cfg.CallTimeout = 50 * time.Millisecond
	second := get(t, p)
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_ = second.Call(ctx, "hang", nil, nil)
	second.Release()
	until(t, p, "one that never answers is replaced", func(s Stats) bool { return s.Stopped[Timeout] == 1 })
}

func TestWornServersAreReplaced(t *testing.T) {
	c := server("")
	c.Max, c.MaxCalls = 1, 3
	p, _ := started(t, c)
	pids := map[int]int{}
	for range 9 {
		pids[pid(t, p)]++
	}
	for pid, n := range pids {
		if n != 3 {
			t.Errorf("%d calls of %d", n, pid)
		}
	}
	until(t, p, "worn", func(s Stats) bool { return s.Stopped[Worn] == 3 })
	s := get(t, p)
	s.Discard()
	s.Release()
	until(t, p, "discarded", func(s Stats) bool { return s.Stopped[Asked] == 1 && s.Instances == 0 })
}

func TestWarmStartAndIdleTimeout(t *testing.T) {
	c := server("slow")
	c.Max, c.MinIdle, c.IdleTimeout = 3, 1, 50*time.Millisecond
	p, _ := started(t, c)
	if s := p.Stats(); s.Idle != 1 {
		t.Fatalf("after Start: %+v", s)
	}
	a, b := get(t, p), get(t, p)
	until(t, p, "another is kept warm", func(s Stats) bool { return s.Idle == 1 && s.InUse == 2 })
	a.Release()
	b.Release()
	until(t, p, "idle ones go, but the warm one", func(s Stats) bool { return s.Stopped[Idle] == 2 && s.Instances == 1 })
}

func TestServersThatDoNotStart(t *testing.T) {
	for how, says := range map[string]string{"broken": "no license", "deaf": "not ready after 300ms"} {
		t.Run(how, func(t *testing.T) {
			c := server(how)
			c.MaxFailures, c.StartTimeout, c.Grace, c.MaxBackoff = 2, 300*time.Millisecond, 10*time.Millisecond, time.Minute
			c.Initialize = func(ctx context.Context, s *Server) error { return s.Call(ctx, "initialize", nil, nil) }
			p, events := started(t, c)
			if e := broken(t, p.Call(t.Context(), "pid", nil, nil), Start); !strings.Contains(e.Error(), says) || e.RetryAfter.IsZero() {
				t.Errorf("got %v, want %q", e, says)
			}
			p.mu.Lock()
			p.trouble.again = time.Now().Add(time.Hour)
			p.mu.Unlock()
			broken(t, p.Call(t.Context(), "pid", nil, nil), Start) // at once
			if s := p.Stats(); s.StartFailed != 2 || s.Failed != 2 || s.Started != 0 {
				t.Errorf("%+v", s)
			}
			if failed, err := events.WaitForN(t.Context(), 2, event.InstanceStopped); err != nil || failed[0].Details["cause"] != "start" || failed[0].Error == "" {
				t.Errorf("recorded %+v", failed)
			}
		})
	}
	c := server("broken")
	c.MinIdle, c.MaxFailures = 1, 2
	c.Initialize = func(ctx context.Context, s *Server) error { return s.Call(ctx, "initialize", nil, nil) }
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(t.Context())
	broken(t, p.Start(t.Context()), Start)
}

func TestHealth(t *testing.T) {
	c := server("")
	c.MinIdle, c.Health, c.HealthInterval, c.HealthTimeout = 1, Request{Method: "hang"}, time.Millisecond, 50*time.Millisecond
	p, _ := started(t, c)
	until(t, p, "one that does not answer is replaced", func(s Stats) bool { return s.Stopped[Health] >= 1 && s.Started >= 2 })

	c.Max, c.Health.Method, c.HealthTimeout = 1, "refuse", 20*time.Second // an error is an answer
	well, _ := started(t, c)
	first := pid(t, well)
	until(t, well, "checked", func(Stats) bool {
		well.mu.Lock()
		defer well.mu.Unlock()
		return len(well.idle) == 1 && !well.idle[0].checked.IsZero()
	})
	if got := pid(t, well); got != first {
		t.Errorf("pid %d, then %d", first, got)
	}
}

func TestWhatAServerSends(t *testing.T) {
	c := server("")
	c.Max = 1
	c.Handle = func(method string, params json.RawMessage) (any, error) {
		if method != "question" {
			return nil, fmt.Errorf("method %s", method)
		}
		return 42, nil
	}
	p, _ := started(t, c)
	var got int
	if err := p.Call(t.Context(), "ask", nil, &got); err != nil || got != 42 {
		t.Errorf("got %d, %v", got, err)
	}
	c.Handle = func(string, json.RawMessage) (any, error) { panic("oops") }
	p, _ = started(t, c)
	if err := p.Call(t.Context(), "ask", nil, nil); err == nil || !strings.Contains(err.Error(), "panic: oops") {
		t.Errorf("a handler that panics: %v", err)
	}
	c.Handle = nil
	p, _ = started(t, c)
	var e *ResponseError
	if err := p.Call(t.Context(), "ask", nil, nil); !errors.As(err, &e) || e.Code != codeMethodNotFound {
		t.Errorf("no handler: %v", err)
	}
	if err := p.Call(t.Context(), "chatter", 1000, nil); err != nil { // over a pipe's and the tail's size
		t.Error(err)
	}
}

// Everything that a server has started goes with it.
func TestCloseLeavesNothing(t *testing.T) {
	c := server("")
	c.Shutdown = []Request{{Method: "echo"}, {Method: "exit", Notify: true}}
	p, recorded := started(t, c)
	var child int
	if err := p.Call(t.Context(), "fork", nil, &child); err != nil {
		t.Fatal(err)
	}
	leased := get(t, p)
	waiting := make(chan error)
	go func() { waiting <- leased.Call(t.Context(), "hang", nil, nil) }()
	until(t, p, "called", func(s Stats) bool { return s.Open == 1 })
	idle := get(t, p)
	idle.Release()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	p.Close(ctx)
	broken(t, <-waiting, Shutdown)
	leased.Release()
	if left := goroutines(); len(left) != 0 {
		t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	}
	if err := p.Call(t.Context(), "pid", nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed pool: %v", err)
	}
	if err := p.Start(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed pool starts: %v", err)
	}
	if syscall.Kill(child, 0) == nil && proc.Supported().Tree && !isZombie(child) {
		t.Error("what a server has started is still there")
	}
	byItself := 0
	for _, e := range recorded.OfType(event.InstanceStopped) {
		if e.Details["exit_code"] == 0 {
			byItself++
		}
	}
	if byItself != 1 {
		t.Errorf("%d servers ended by themselves, want the free one: %+v", byItself, recorded.OfType(event.InstanceStopped))
	}
}

// goroutines returns those of the stacks that the pool, or a child of it, has left.
func goroutines() (left []string) {
	b := make([]byte, 1<<20)
	for _, g := range strings.Split(string(b[:runtime.Stack(b, true)]), "\n\n") {
		if strings.Contains(g, "pool.(*") || strings.Contains(g, "internal/proc.") {
			left = append(left, g)
		}
	}
	return left
}

func isZombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(b), ") Z ")
}

// A start that Close gives up is no failure of the server.
func TestCloseGivesUpStarts(t *testing.T) {
	c := server("deaf")
	c.Initialize = func(ctx context.Context, s *Server) error { return s.Call(ctx, "initialize", nil, nil) }
	p, events := started(t, c)
	failed := make(chan error)
	go func() { failed <- p.Call(t.Context(), "pid", nil, nil) }()
	until(t, p, "starting", func(s Stats) bool { return s.Starting == 1 })
	p.Close(t.Context())
	if err := <-failed; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	c.MinIdle = 1
	warm, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	go func() { failed <- warm.Start(t.Context()) }()
	until(t, warm, "starting", func(s Stats) bool { return s.Starting == 1 })
	warm.Close(t.Context())
	if err := <-failed; !errors.Is(err, ErrClosed) {
		t.Errorf("a Start that waits: %v", err)
	}
	if s := p.Stats(); s.StartFailed != 1 || s.Failures != 0 {
		t.Errorf("%+v", s)
	}
	if e := events.OfType(event.InstanceStopped); len(e) != 1 || e[0].Details["cause"] != "shutdown" || e[0].Severity != "" {
		t.Errorf("recorded %+v", e)
	}
}

func TestBeforeStart(t *testing.T) {
	p, err := New(server(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Get(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	p.Close(t.Context())
	p.Close(t.Context())
	addUp(t, p.Stats())
}

func TestConfigNamesAllProblems(t *testing.T) {
	_, err := New(Config{
		Framing: "csv", Network: "udp", Max: -1, MemoryBytes: 100, HardMemoryBytes: 200, CallTimeout: time.Nanosecond, Grace: 2 * time.Hour, MinIdle: 4, MaxWaiting: -2,
	})
	for _, want := range []string{"command: is empty", "framing: ", "network: ", "max: -1", "memory_bytes: 100", "hard_memory_bytes: 200", "call_timeout: 1ns", "grace: 2h", "min_idle: 4", "max_waiting: -2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	for _, c := range []Config{{Command: []string{"x", "{addr}"}}, {Command: []string{"x"}, Network: "unix"}} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "{addr}") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

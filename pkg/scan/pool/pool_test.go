//go:build unix

package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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
		if s.Started != 1 || s.Idle != 1 || s.Answered != 23 || s.Rejected != 1 || len(events.Events(event.InstanceStarted)) != 1 {
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

// Eight callers on two servers: never more than two at a time, everybody is served, in the order in which they came.
// A server that speaks HTTP answers with its body, refuses with its status, and is replaced like any other.
func TestServersOverHTTP(t *testing.T) {
	c := server("http")
	c.Network, c.Command, c.MaxMessageBytes = "http", append(c.Command, "{addr}"), 1<<16
	p, _ := started(t, c)
	var first, second int
	if err := p.Call(t.Context(), "/pid", nil, &first); err != nil || first == 0 {
		t.Fatalf("Call(/pid) = %d, %v; want a process", first, err)
	}
	var refused *ResponseError
	if err := p.Call(t.Context(), "POST /refuse", nil, nil); !errors.As(err, &refused) || refused.Code != 422 || refused.Message != "I will not" {
		t.Errorf("Call(/refuse) = %v, want 422 with the body", err)
	}
	if err := p.Call(t.Context(), "/huge", 1<<17, nil); !errors.As(err, &refused) {
		t.Errorf("Call of an answer above the bound = %v, want a ResponseError", err)
	}
	if err := p.Call(t.Context(), "GET /pid", nil, &second); err != nil || second != first {
		t.Errorf("Call(GET /pid) = %d, %v; want the same process %d", second, err, first)
	}
	broken(t, p.Call(t.Context(), "/crash", nil, nil), Crash)
	if err := p.Call(t.Context(), "/pid", nil, &second); err != nil || second == first {
		t.Errorf("Call after a crash = %d, %v; want another process than %d", second, err, first)
	}
}

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
	var e *ExhaustedError
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
	if err := first.Call(ctx, "sleep", 2000, nil); !errors.Is(err, context.DeadlineExceeded) {
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

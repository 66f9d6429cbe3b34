//go:build unix

package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/event"
)

// Everything that a server has started goes with it.
func TestCloseLeavesNothing(t *testing.T) {
	c := server("")
	c.Grace = 10 * time.Second // for the server that ends by itself, on a busy machine
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
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
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
	for _, e := range recorded.Events(event.InstanceStopped) {
		if e.Details["exit_code"] == 0 {
			byItself++
		}
	}
	if byItself != 1 {
		t.Errorf("%d servers ended by themselves, want the free one: %+v", byItself, recorded.Events(event.InstanceStopped))
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
	if e := events.Events(event.InstanceStopped); len(e) != 1 || e[0].Details["cause"] != "shutdown" || e[0].Severity != "" {
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

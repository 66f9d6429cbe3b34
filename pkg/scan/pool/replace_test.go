//go:build unix

package pool

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/event"
)

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
				c.CallTimeout = 5 * time.Second // also of the call of its replacement
			}
			p, events := started(t, c)
			first := get(t, p)
			err := first.Call(t.Context(), tt.method, tt.params, nil)
			if e := broken(t, err, tt.cause); e.Method != tt.method || e.PID != first.PID() || !strings.Contains(e.Error(), tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
			broken(t, first.Call(t.Context(), "pid", nil, nil), tt.cause) // it stays broken
			first.Release()
			if pid(t, p) == first.PID() {
				t.Error("it was not replaced")
			}
			until(t, p, "stopped", func(s Stats) bool { return s.Stopped[tt.cause] == 1 && s.Instances == 1 })
			stopped := waitEvents(t, events, 1)
			if stopped[0].Details["cause"] != string(tt.cause) || stopped[0].Severity != event.Warn || stopped[0].Error == "" {
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
	if stopped := events.Events(event.InstanceStopped); len(stopped) != 1 || stopped[0].Severity != "" || stopped[0].Error != "" {
		t.Errorf("recorded %+v", stopped)
	}
	c.HardMemoryBytes = 150 << 20
	p, events = started(t, c)
	if e := broken(t, p.Call(t.Context(), "leak and hang", 160, nil), Memory); !strings.Contains(e.Error(), "the limit is 157286400") {
		t.Errorf("got %v", e)
	}
	stopped := waitEvents(t, events, 1)
	if stopped[0].Severity != event.Warn || stopped[0].Details["cause"] != "memory" {
		t.Errorf("recorded %+v", stopped)
	}
}

func TestServersThatDoNotStart(t *testing.T) {
	for how, says := range map[string]string{"broken": "no license", "deaf": "not ready after 300ms"} {
		t.Run(how, func(t *testing.T) {
			c := server(how)
			c.MaxFailures, c.Grace, c.MaxBackoff = 2, 10*time.Millisecond, time.Minute
			if how == "deaf" {
				c.StartTimeout = 300 * time.Millisecond
			}
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
			if failed := waitEvents(t, events, 2); failed[0].Details["cause"] != "start" || failed[0].Error == "" {
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

package resource

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
)

const gb = 1 << 30

// patience bounds the waits of tests that would otherwise never end. It suits a machine under any load.
const patience = 2 * time.Minute

// fakeHost is a Sampler that plays back what the test sets.
type fakeHost struct {
	mu  sync.Mutex
	m   SystemMetrics
	err error
	n   int // samples taken
	fn  func(n int) (SystemMetrics, error)
}

func (f *fakeHost) Sample(context.Context) (SystemMetrics, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	if f.fn != nil {
		return f.fn(f.n)
	}
	return f.m, f.err
}

func (f *fakeHost) set(m SystemMetrics, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.m, f.err = m, err
}

// load is a host of 16 GB with the given use of CPU and memory, in percent.
func load(cpu, memory float64) SystemMetrics {
	return SystemMetrics{
		CPUPercent: cpu, CPUSource: "host",
		MemoryPercent: memory, MemorySource: "host",
		MemoryTotalMB: 16 << 10, MemoryUsedMB: memory / 100 * (16 << 10),
		MemoryAvailableBytes: int64((100 - memory) / 100 * 16 * gb),
	}
}

// recorder keeps what a sink is given.
type recorder struct {
	mu     sync.Mutex
	events []event.Event
}

func (r *recorder) Record(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) count(t event.Type) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Type == t {
			n++
		}
	}
	return n
}

// newTest returns a controller with n slots that is stopped at the end of the test.
func newTest(t testing.TB, n int, edit ...func(*ControllerConfig)) *Controller {
	t.Helper()
	cfg := ControllerConfig{MaxConcurrentJobs: n, Sampler: &fakeHost{m: load(10, 10)}}
	for _, f := range edit {
		f(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	c := NewController(&cfg)
	t.Cleanup(c.Stop)
	return c
}

// pending waits until n requests wait.
func pending(t testing.TB, c *Controller, n int) {
	t.Helper()
	testkit.Eventually(t, fmt.Sprintf("%d requests wait", n), func() bool { return c.GetStatus().PendingJobs == n })
}

func wantActive(t testing.TB, c *Controller, jobs, slots int) {
	t.Helper()
	if s := c.GetStatus(); s.ActiveJobs != jobs || s.ActiveSlots != slots {
		t.Errorf("active: %d jobs, %d slots; want %d, %d", s.ActiveJobs, s.ActiveSlots, jobs, slots)
	}
}

func must(t testing.TB, c *Controller, r Request) *Slot {
	t.Helper()
	s, err := c.TryAcquire(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

package event

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func newBus(t testing.TB, cfg BusConfig) *Bus {
	t.Helper()
	b, err := NewBus(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopBus(t, b) })
	return b
}

func startBus(t testing.TB, b *Bus) {
	t.Helper()
	if err := b.Start(context.Background()); err != nil {
		t.Error(err)
	}
}

func stopBus(t testing.TB, b *Bus) {
	t.Helper()
	if err := b.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func wantBalanced(t testing.TB, s BusStats) {
	t.Helper()
	var byType, byPriority uint64
	for _, n := range s.DroppedByType {
		byType += n
	}
	for _, n := range s.DroppedByPriority {
		byPriority += n
	}
	if s.Published != s.Unsubscribed+s.Queued+s.Running+s.Handled+s.Dropped || byType != s.Dropped || byPriority != s.Dropped {
		t.Errorf("Stats() = %+v, want numbers that add up", s)
	}
}

// collector is a handler that keeps the messages it was given.
type collector struct {
	mu  sync.Mutex
	got []string
}

func (c *collector) handle(_ context.Context, e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, e.Message)
}

func TestHandlersAreCalledForTheirTypes(t *testing.T) {
	b := newBus(t, BusConfig{})
	var jobs, all collector
	b.Subscribe(jobs.handle, JobStarted, JobFailed, JobFailed)
	b.Subscribe(all.handle)
	startBus(t, b)
	startBus(t, b)
	b.Record(Event{Type: JobStarted, Message: "1"})
	b.Record(Event{Type: JobFailed, Message: "2"})
	b.Record(Event{Type: ScanStarted, Message: "3"})
	stopBus(t, b)
	slices.Sort(jobs.got)
	slices.Sort(all.got)
	if !slices.Equal(jobs.got, []string{"1", "2"}) || !slices.Equal(all.got, []string{"1", "2", "3"}) {
		t.Errorf("handler of two types got %v, want [1 2]; handler of all got %v, want [1 2 3]", jobs.got, all.got)
	}
	if s := b.Stats(); s.Handled != 3 || s.Calls != 5 {
		t.Errorf("Stats() = %+v, want 3 events handled by 5 calls", s)
	}
}

func TestUnsubscribeEndsIt(t *testing.T) {
	b := newBus(t, BusConfig{Workers: 1})
	var c, other collector
	off := b.Subscribe(c.handle, JobStarted)
	b.Subscribe(other.handle, JobStarted)
	b.Record(Event{Type: JobStarted}) // queued, not begun
	off()
	off()
	startBus(t, b)
	stopBus(t, b)
	if len(c.got) != 0 || len(other.got) != 1 {
		t.Errorf("unsubscribed handler was called %d times, the other %d times; want 0 and 1", len(c.got), len(other.got))
	}
}

func TestUnsubscribedEventsAreNotQueued(t *testing.T) {
	b := newBus(t, BusConfig{})
	b.Subscribe(func(context.Context, Event) {}, JobStarted)
	b.Record(Event{Type: JobFailed})
	if s := b.Stats(); s.Unsubscribed != 1 || s.Queued != 0 {
		t.Errorf("Stats() = %+v, want 1 unsubscribed and none queued", s)
	}
}

func TestHigherPriorityFirst(t *testing.T) {
	b := newBus(t, BusConfig{Workers: 1})
	var c collector
	b.Subscribe(c.handle)
	for _, e := range []Event{
		{Severity: Debug, Message: "debug"}, {Severity: Info, Message: "info"}, {Severity: Warn, Message: "warn"},
		{Severity: Error, Message: "error"}, {Severity: Critical, Message: "critical"},
	} {
		b.Record(e)
	}
	startBus(t, b)
	stopBus(t, b)
	if got := strings.Join(c.got, " "); got != "error critical info warn debug" {
		t.Errorf("handled %q, want error critical info warn debug", got)
	}
}

func TestPanicOfAHandlerIsCountedAndIsolated(t *testing.T) {
	b := newBus(t, BusConfig{Workers: 1})
	var c collector
	b.Subscribe(func(context.Context, Event) { panic("boom") })
	b.Subscribe(c.handle)
	startBus(t, b)
	for range 3 {
		b.Record(Event{})
	}
	stopBus(t, b)
	s := b.Stats()
	if len(c.got) != 3 || s.Panics != 3 || s.Handled != 3 || s.LastPanic != "boom" {
		t.Errorf("other handler was called %d times, Stats() = %+v; want 3 calls, 3 panics", len(c.got), s)
	}
}

func TestGoexitCostsNoWorker(t *testing.T) {
	b := newBus(t, BusConfig{Workers: 1})
	b.Subscribe(func(context.Context, Event) { runtime.Goexit() })
	startBus(t, b)
	for range 3 {
		b.Record(Event{})
	}
	stopBus(t, b)
	if s := b.Stats(); s.Handled != 3 || s.Running != 0 {
		t.Errorf("Stats() = %+v, want 3 handled, none running", s)
	}
}

func TestStopReturnsWhenItsContextEnds(t *testing.T) {
	b := newBus(t, BusConfig{Workers: 1})
	started, release := make(chan struct{}), make(chan struct{})
	var canceled atomic.Bool
	b.Subscribe(func(ctx context.Context, _ Event) {
		close(started)
		<-release
		canceled.Store(ctx.Err() != nil)
	})
	startBus(t, b)
	b.Record(Event{})
	<-started
	b.Record(Event{}) // waits behind it
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop = %v, want context.Canceled", err)
	}
	s := b.Stats()
	wantBalanced(t, s)
	if s.Dropped != 1 || s.Running != 1 {
		t.Errorf("Stats() = %+v, want 1 dropped, 1 running", s)
	}
	close(release)
	stopBus(t, b)
	if !canceled.Load() {
		t.Error("the handler's context did not end")
	}
}

func TestEventsAfterStopAreDropped(t *testing.T) {
	b := newBus(t, BusConfig{})
	b.Subscribe(func(context.Context, Event) {})
	b.Record(Event{Type: JobStarted})
	stopBus(t, b)
	if err := b.Start(t.Context()); err == nil {
		t.Error("Start after Stop = nil, want an error")
	}
	b.Record(Event{Type: JobFailed})
	s := b.Stats()
	wantBalanced(t, s)
	if s.DroppedByType[JobStarted] != 1 || s.DroppedByType[JobFailed] != 1 {
		t.Errorf("Stats() = %+v, want one dropped of each type", s)
	}
}

func TestDetailsAreCopied(t *testing.T) {
	b := newBus(t, BusConfig{})
	var got Event
	b.Subscribe(func(_ context.Context, e Event) { got = e })
	details := map[string]any{"n": 1}
	b.Record(Event{Details: details})
	details["n"] = 2
	startBus(t, b)
	stopBus(t, b)
	if got.Details["n"] != 1 {
		t.Errorf("handler got details %v, want those of the time of Record", got.Details)
	}
}

func TestBusStopsTakingEventsWithTheContextOfStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t, BusConfig{})
		var c collector
		b.Subscribe(c.handle)
		ctx, cancel := context.WithCancel(t.Context())
		if err := b.Start(ctx); err != nil {
			t.Fatal(err)
		}
		b.Record(Event{Message: "before"})
		cancel()
		synctest.Wait()
		b.Record(Event{Message: "after"})
		stopBus(t, b)
		if s := b.Stats(); s.Handled != 1 || s.Dropped != 1 || !slices.Equal(c.got, []string{"before"}) {
			t.Errorf("handled %v, Stats() = %+v; want one handled, one dropped", c.got, s)
		}
	})
}

func TestManyProducersAndSubscribers(t *testing.T) {
	const producers, each = 8, 500
	for _, policy := range []Policy{DropOldest, DropNewest, DropLowPriority, Block} {
		b := newBus(t, BusConfig{Policy: policy, QueueSizes: [3]int{5, 5, 5}})
		var calls atomic.Uint64
		b.Subscribe(func(context.Context, Event) { calls.Add(1) })
		startBus(t, b)
		var wg sync.WaitGroup
		for p := range producers {
			wg.Go(func() {
				off := b.Subscribe(func(context.Context, Event) {}, JobStarted)
				defer off()
				d := map[string]any{}
				for i := range each {
					d["i"] = i
					b.Record(Event{Type: JobStarted, Severity: []Severity{Debug, Info, Error}[(p+i)%3], Details: d})
					wantBalanced(t, b.Stats())
				}
			})
		}
		wg.Wait()
		stopBus(t, b)
		s := b.Stats()
		if s.Published != producers*each || s.Handled != calls.Load() || s.Queued+s.Running != 0 {
			t.Errorf("policy %s: %d calls, Stats() = %+v; want all published, none waiting", policy, calls.Load(), s)
		}
		wantBalanced(t, s)
	}
}

func TestNewBusReturnsAllProblemsOfItsConfig(t *testing.T) {
	_, err := NewBus(BusConfig{Workers: -1, QueueSizes: [3]int{-1, 0, 1 << 30}, Policy: "drop-all"})
	for _, field := range []string{"bus.workers", "bus.queue_sizes[0]", "bus.queue_sizes[2]", "bus.policy"} {
		if !strings.Contains(fmt.Sprint(err), field+":") {
			t.Errorf("NewBus = %v, want %s named", err, field)
		}
	}
	if w := DefaultWorkers(); w < 4 || w > 32 {
		t.Errorf("DefaultWorkers() = %d, want 4 to 32", w)
	}
}

func BenchmarkBusRecord(b *testing.B) {
	bus := newBus(b, BusConfig{})
	bus.Subscribe(func(context.Context, Event) {}, JobStarted)
	startBus(b, bus)
	b.Run("subscribed", func(b *testing.B) {
		e := Event{Type: JobStarted, Details: map[string]any{"tool": "semgrep", "n": 1}}
		b.ReportAllocs()
		for b.Loop() {
			bus.Record(e)
		}
	})
	b.Run("unsubscribed", func(b *testing.B) {
		e := Event{Type: JobFailed, Details: map[string]any{"tool": "semgrep", "n": 1}}
		b.ReportAllocs()
		for b.Loop() {
			bus.Record(e)
		}
	})
}

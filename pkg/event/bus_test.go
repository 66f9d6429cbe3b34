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
	"time"
)

func newBus(t testing.TB, cfg *BusConfig) *Bus {
	t.Helper()
	b, err := NewBus(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopBus(t, b) })
	return b
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
	if s.Published != s.Unheard+s.Queued+s.Running+s.Handled+s.Dropped || byType != s.Dropped || byPriority != s.Dropped {
		t.Errorf("the numbers do not add up: %+v", s)
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

func TestSubscribersHearTheirTypes(t *testing.T) {
	b := newBus(t, nil)
	var jobs, all collector
	b.Subscribe(jobs.handle, JobStarted, JobFailed, JobFailed)
	b.Subscribe(all.handle)
	b.Start()
	b.Start()
	b.Record(Event{Type: JobStarted, Message: "1"})
	b.Record(Event{Type: JobFailed, Message: "2"})
	b.Record(Event{Type: ScanStarted, Message: "3"})
	stopBus(t, b)
	slices.Sort(jobs.got)
	slices.Sort(all.got)
	if !slices.Equal(jobs.got, []string{"1", "2"}) || !slices.Equal(all.got, []string{"1", "2", "3"}) {
		t.Errorf("jobs heard %v, all heard %v", jobs.got, all.got)
	}
	if s := b.Stats(); s.Handled != 3 || s.Calls != 5 {
		t.Errorf("%+v", s)
	}
}

func TestUnsubscribeEndsIt(t *testing.T) {
	b := newBus(t, &BusConfig{Workers: 1})
	var c, other collector
	off := b.Subscribe(c.handle, JobStarted)
	b.Subscribe(other.handle, JobStarted)
	b.Record(Event{Type: JobStarted}) // queued, not begun
	off()
	off()
	b.Start()
	stopBus(t, b)
	if len(c.got) != 0 || len(other.got) != 1 {
		t.Errorf("after unsubscribe it heard %d, the other %d; want 0 and 1", len(c.got), len(other.got))
	}
}

func TestUnheardEventsAreNotQueued(t *testing.T) {
	b := newBus(t, nil)
	b.Subscribe(func(context.Context, Event) {}, JobStarted)
	b.Record(Event{Type: JobFailed})
	if s := b.Stats(); s.Unheard != 1 || s.Queued != 0 {
		t.Errorf("%+v", s)
	}
}

func TestHigherPriorityFirst(t *testing.T) {
	b := newBus(t, &BusConfig{Workers: 1, Priorities: map[Type]Priority{AuthFailed: High}})
	var c collector
	b.Subscribe(c.handle)
	for _, e := range []Event{
		{Severity: Debug, Message: "debug"}, {Severity: Info, Message: "info"}, {Severity: Warn, Message: "warn"},
		{Severity: Error, Message: "error"}, {Type: AuthFailed, Message: "auth"}, {Severity: Critical, Message: "critical"},
	} {
		b.Record(e)
	}
	b.Start()
	stopBus(t, b)
	if got := strings.Join(c.got, " "); got != "error auth critical info warn debug" {
		t.Errorf("order: %s", got)
	}
}

func TestAPanicStaysWithItsHandler(t *testing.T) {
	b := newBus(t, &BusConfig{Workers: 1})
	var c collector
	b.Subscribe(func(context.Context, Event) { panic("boom") })
	b.Subscribe(c.handle)
	b.Start()
	for range 3 {
		b.Record(Event{})
	}
	stopBus(t, b)
	s := b.Stats()
	if len(c.got) != 3 || s.Panics != 3 || s.Handled != 3 || s.LastPanic != "boom" {
		t.Errorf("the other handler heard %d; %+v", len(c.got), s)
	}
}

func TestGoexitCostsNoWorker(t *testing.T) {
	b := newBus(t, &BusConfig{Workers: 1})
	b.Subscribe(func(context.Context, Event) { runtime.Goexit() })
	b.Start()
	for range 3 {
		b.Record(Event{})
	}
	stopBus(t, b)
	if s := b.Stats(); s.Handled != 3 || s.Running != 0 {
		t.Errorf("%+v", s)
	}
}

func TestASlowHandlerIsCountedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBus(t, nil)
		b.Subscribe(func(ctx context.Context, _ Event) { <-ctx.Done() })
		b.Start()
		b.Record(Event{})
		time.Sleep(DefaultHandlerTimeout - time.Nanosecond)
		synctest.Wait()
		if s := b.Stats(); s.Timeouts != 0 || s.Running != 1 {
			t.Errorf("before the timeout: %+v", s)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if s := b.Stats(); s.Timeouts != 1 || s.Handled != 1 {
			t.Errorf("after the timeout: %+v", s)
		}
	})
}

func TestStopGivesUpWithItsContext(t *testing.T) {
	b := newBus(t, &BusConfig{Workers: 1})
	started, release := make(chan struct{}), make(chan struct{})
	var told atomic.Bool
	b.Subscribe(func(ctx context.Context, _ Event) {
		close(started)
		<-release
		told.Store(ctx.Err() != nil)
	})
	b.Start()
	b.Record(Event{})
	<-started
	b.Record(Event{}) // waits behind it
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop: %v", err)
	}
	s := b.Stats()
	wantBalanced(t, s)
	if s.Dropped != 1 || s.Running != 1 {
		t.Errorf("%+v; want 1 dropped, 1 running", s)
	}
	close(release)
	stopBus(t, b)
	if !told.Load() {
		t.Error("the handler's context did not end")
	}
}

func TestAfterStopEventsAreDropped(t *testing.T) {
	b := newBus(t, nil)
	b.Subscribe(func(context.Context, Event) {})
	b.Record(Event{Type: JobStarted})
	stopBus(t, b)
	b.Start()
	b.Record(Event{Type: JobFailed})
	s := b.Stats()
	wantBalanced(t, s)
	if s.DroppedByType[JobStarted] != 1 || s.DroppedByType[JobFailed] != 1 {
		t.Errorf("%+v", s)
	}
}

func TestDetailsAreCopied(t *testing.T) {
	b := newBus(t, nil)
	var got Event
	b.Subscribe(func(_ context.Context, e Event) { got = e })
	nested := map[string]any{"k": 1}
	list := []any{nested}
	d := map[string]any{"n": nested, "l": list, "s": []string{"a"}}
	b.Record(Event{Details: d})
	nested["k"], list[0], d["n"], d["s"].([]string)[0] = 2, 2, 2, "b"
	b.Start()
	stopBus(t, b)
	if s := fmt.Sprint(got.Details); s != "map[l:[map[k:1]] n:map[k:1] s:[a]]" {
		t.Errorf("the handler saw %s", s)
	}
	cyclic := map[string]any{}
	cyclic["self"] = cyclic
	if s := fmt.Sprint(copyDetails(cyclic)); !strings.Contains(s, "too deep") {
		t.Errorf("a cycle became %s", s)
	}
}

func TestManyProducersAndSubscribers(t *testing.T) {
	const producers, each = 8, 500
	for _, policy := range []Policy{DropOldest, DropNewest, DropLowPriority, Block} {
		b := newBus(t, &BusConfig{Policy: policy, QueueSizes: [3]int{5, 5, 5}})
		var calls atomic.Uint64
		b.Subscribe(func(context.Context, Event) { calls.Add(1) })
		b.Start()
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
			t.Errorf("%s: %d calls, %+v", policy, calls.Load(), s)
		}
		wantBalanced(t, s)
	}
}

func TestBusConfigSaysAllThatIsWrong(t *testing.T) {
	cfg := BusConfig{Workers: -1, QueueSizes: [3]int{-1, 0, 1 << 30}, Policy: "drop-all", HandlerTimeout: -2, BlockTimeout: -1,
		Priorities: map[Type]Priority{JobStarted: 7}}
	_, err := NewBus(&cfg)
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{"Workers", "QueueSizes[0]", "QueueSizes[2]", "Policy", "HandlerTimeout", "BlockTimeout", "Priorities[job_started]"} {
		if !strings.Contains(err.Error(), field+":") {
			t.Errorf("%s is not named in %v", field, err)
		}
	}
	if w := DefaultWorkers(); w < MinDefaultWorkers || w > MaxDefaultWorkers {
		t.Errorf("DefaultWorkers is %d", w)
	}
}

func BenchmarkBusRecord(b *testing.B) {
	bus := newBus(b, nil)
	bus.Subscribe(func(context.Context, Event) {}, JobStarted)
	bus.Start()
	b.Run("heard", func(b *testing.B) {
		e := Event{Type: JobStarted, Details: map[string]any{"tool": "semgrep", "n": 1}}
		b.ReportAllocs()
		for b.Loop() {
			bus.Record(e)
		}
	})
	b.Run("unheard", func(b *testing.B) {
		e := Event{Type: JobFailed, Details: map[string]any{"tool": "semgrep", "n": 1}}
		b.ReportAllocs()
		for b.Loop() {
			bus.Record(e)
		}
	})
}

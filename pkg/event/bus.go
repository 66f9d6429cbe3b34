package event

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Handler is called with the events it is subscribed to. It is called concurrently if the Bus has more than one worker.
// It must not change e.Details, which all handlers of the event share. ctx ends when Stop no longer waits for handlers.
type Handler func(ctx context.Context, e Event)

// A Bus is a Sink that calls the handlers subscribed to an event, from a bounded number of workers. Events that do not
// fit into its bounded queues are dropped according to a Policy and counted, so that a slow handler never delays the
// component that records an event.
//
// Do not put an audit log, or anything that must see every event, behind a Bus: join them with Tee. The methods may be
// called concurrently.
//
//	Record ──► queues by priority ──► workers ──► handlers
//	              │ full                             │ panics
//	              ▼                                  ▼
//	           dropped, counted                   recovered, counted
type Bus struct {
	cfg     BusConfig
	ctx     context.Context // passed to handlers
	cancel  context.CancelFunc
	workers sync.WaitGroup
	subs    atomic.Pointer[[]*subscription] // the slice is replaced, never changed
	subMu   sync.Mutex                      // serializes the replacement of subs

	mu      sync.Mutex // guards everything below
	started bool
	stopped bool
	detach  func() bool // ends the connection to the context of Start
	queues  [3][]Event
	work    sync.Cond // an event was queued, or the bus was stopped
	space   sync.Cond // an event was taken, the bus was stopped, or a wait for space timed out
	stats   BusStats
}

var _ Sink = (*Bus)(nil)

// NewBus returns a Bus, or the error of cfg.Validate.
func NewBus(cfg BusConfig) (*Bus, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &Bus{cfg: cfg.withDefaults(), detach: func() bool { return true }}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.work.L, b.space.L = &b.mu, &b.mu
	b.subs.Store(&[]*subscription{})
	return b, nil
}

// Start starts the workers. Events that were recorded before are handled as well. When ctx ends, the bus takes no more
// events. Starting it again has no effect. Start fails after Stop.
func (b *Bus) Start(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.stopped:
		return errors.New("event bus is stopped")
	case b.started:
		return nil
	}
	b.started = true
	b.detach = context.AfterFunc(ctx, b.beginStop)
	for range b.cfg.Workers {
		b.workers.Go(b.handleAll)
	}
	return nil
}

// Record queues e for the handlers that are subscribed to its type. It copies e.Details, but not the values in it. After
// Stop it drops e.
func (b *Bus) Record(e Event) {
	subscribed := b.subscribed(e.Type)
	if subscribed {
		e.Details = maps.Clone(e.Details)
	}
	p := priorityOf(e.Severity)
	b.mu.Lock()
	defer b.mu.Unlock()
	if subscribed && b.cfg.Policy == Block {
		b.awaitSpaceLocked(p)
	}
	b.stats.Published++
	switch {
	case !subscribed:
		b.stats.Unsubscribed++
	case b.stopped:
		b.stats.drop(e.Type, p)
	default:
		b.pushLocked(e, p)
		b.work.Signal()
	}
}

func (b *Bus) awaitSpaceLocked(p Priority) {
	if !b.fullLocked(p) {
		return
	}
	deadline := time.Now().Add(blockTimeout)
	wake := time.AfterFunc(blockTimeout, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.space.Broadcast()
	})
	defer wake.Stop()
	for b.fullLocked(p) && !b.stopped && time.Now().Before(deadline) {
		b.space.Wait()
	}
}

// handleAll handles events until the bus is stopped and its queues are empty.
func (b *Bus) handleAll() {
	done := false
	defer func() {
		if !done { // a handler has called runtime.Goexit
			b.workers.Go(b.handleAll)
		}
	}()
	for {
		e, ok := b.take()
		if !ok {
			done = true
			return
		}
		b.handle(e)
	}
}

// take waits for the next event and takes it. It returns false if there will be none.
func (b *Bus) take() (Event, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if e, _, ok := b.popLocked(); ok {
			b.stats.Running++
			b.space.Broadcast()
			return e, true
		}
		if b.stopped {
			return Event{}, false
		}
		b.work.Wait()
	}
}

func (b *Bus) handle(e Event) {
	defer b.count(func(s *BusStats) { s.Running--; s.Handled++ })
	for _, s := range *b.subs.Load() {
		if s.wants(e.Type) {
			b.call(s.handle, e)
		}
	}
}

func (b *Bus) call(h Handler, e Event) {
	defer func() {
		r := recover()
		b.count(func(s *BusStats) {
			s.Calls++
			if r != nil {
				s.Panics++
				s.LastPanic = fmt.Sprintf("%.256s", fmt.Sprint(r))
			}
		})
	}()
	h(b.ctx, e)
}

func (b *Bus) count(change func(*BusStats)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.stats)
}

// Stop takes no more events and waits until the queued ones are handled. If ctx ends before, it drops the queued events,
// cancels the context of the handlers that are running, and returns an error that wraps ctx.Err without waiting for
// them. Stop may be called more than once and before Start; events recorded before a Start that never came are dropped.
func (b *Bus) Stop(ctx context.Context) error {
	b.beginStop()
	handled := make(chan struct{})
	go func() {
		b.workers.Wait()
		close(handled)
	}()
	defer b.cancel()
	select {
	case <-handled:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropQueuedLocked()
	return fmt.Errorf("stop event bus: handlers are still running: %w", ctx.Err())
}

func (b *Bus) beginStop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	b.detach()
	if !b.started {
		b.dropQueuedLocked()
	}
	b.work.Broadcast()
	b.space.Broadcast()
}

package event

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Handler is called with each event it is subscribed to, from several goroutines at once, and in the order of the
// events only when the Bus has one worker. Handlers of one event share its Details and must not change them. ctx
// ends after HandlerTimeout, or when Stop gives up; a handler that goes on holds up a worker.
type Handler func(ctx context.Context, e Event)

// Bus is a Sink that hands events to whoever subscribed, over a bounded number of workers. What does not fit its
// queues gives way by its Policy, counted by type and priority, so a slow handler never holds up a producer. An
// audit log does not belong behind it: Tee them. All methods may be called concurrently.
type Bus struct {
	cfg BusConfig

	subMu sync.Mutex // held while subs is replaced
	subs  atomic.Pointer[subscribers]

	ctx    context.Context // of the handlers
	cancel context.CancelFunc
	idle   sync.WaitGroup // the workers

	mu struct {
		sync.Mutex
		started, stopped bool
		work             sync.Cond     // an event waits, or the bus stopped
		room             chan struct{} // closed when an event was taken, or the bus stopped; nil: nobody waits
		queues           queues
		stats            BusStats
	}
}

var _ Sink = (*Bus)(nil)

// NewBus returns a Bus, with every default when cfg is nil, or Validate's error.
func NewBus(cfg *BusConfig) (*Bus, error) {
	var c BusConfig
	if cfg != nil {
		c = *cfg
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	b := &Bus{cfg: c.withDefaults()}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.mu.work.L = &b.mu
	b.mu.queues.sizes, b.mu.queues.policy = b.cfg.QueueSizes, b.cfg.Policy
	b.subs.Store(&subscribers{})
	return b, nil
}

// Start starts the workers. Events recorded before wait in the queues. A second Start, or one after Stop, does
// nothing.
func (b *Bus) Start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.started || b.mu.stopped {
		return
	}
	b.mu.started = true
	for range b.cfg.Workers {
		b.idle.Go(b.worker)
	}
}

// Record queues e for its subscribers. It copies what it keeps, and does not block unless the policy is Block.
// After Stop it counts e as dropped.
func (b *Bus) Record(e Event) {
	heard := b.subs.Load().hear(e.Type)
	p := b.cfg.priority(&e)
	if heard {
		e.Details = copyDetails(e.Details)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if heard && b.cfg.Policy == Block {
		b.awaitRoomLocked(p)
	}
	b.mu.stats.Published++ // after the wait, in which the numbers must add up too
	if !heard {
		b.mu.stats.Unheard++
		return
	}
	if b.mu.stopped {
		b.mu.stats.drop(e.Type, p)
		return
	}
	lost, from, dropped := b.mu.queues.push(e, p)
	if dropped {
		b.mu.stats.drop(lost.Type, from)
	}
	b.mu.work.Signal()
}

// awaitRoomLocked waits until an event fits at p, the bus stops, or BlockTimeout passes.
func (b *Bus) awaitRoomLocked(p Priority) {
	var timeout <-chan time.Time
	for b.mu.queues.full(p) && !b.mu.stopped {
		if timeout == nil {
			t := time.NewTimer(b.cfg.BlockTimeout)
			defer t.Stop()
			timeout = t.C
		}
		if b.mu.room == nil {
			b.mu.room = make(chan struct{})
		}
		room := b.mu.room
		b.mu.Unlock()
		late := false
		select {
		case <-room:
		case <-timeout:
			late = true
		}
		b.mu.Lock()
		if late {
			return
		}
	}
}

func (b *Bus) wakeBlockedLocked() {
	if b.mu.room != nil {
		close(b.mu.room)
		b.mu.room = nil
	}
}

// worker handles events until the bus is stopped and its queues are empty. A handler that ends the goroutine
// (runtime.Goexit, or a test's FailNow) costs no worker.
func (b *Bus) worker() {
	ended := true
	defer func() {
		if ended {
			b.idle.Go(b.worker)
		}
	}()
	for b.handleNext() {
	}
	ended = false
}

// handleNext waits for an event and handles it; false says that there will be none.
func (b *Bus) handleNext() bool {
	e, ok := b.take()
	if !ok {
		return false
	}
	defer b.count(func(s *BusStats) { s.Running--; s.Handled++ })
	b.subs.Load().each(e.Type, func(h Handler) { b.call(h, e) })
	return true
}

func (b *Bus) take() (Event, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if e, _, ok := b.mu.queues.pop(); ok {
			b.mu.stats.Running++
			b.wakeBlockedLocked()
			return e, true
		}
		if b.mu.stopped {
			return Event{}, false
		}
		b.mu.work.Wait()
	}
}

// call calls one handler; its panic is counted and goes no further.
func (b *Bus) call(h Handler, e Event) {
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	if b.cfg.HandlerTimeout > 0 {
		t := time.AfterFunc(b.cfg.HandlerTimeout, func() { // counted at once: the handler may never return
			cancel()
			b.count(func(s *BusStats) { s.Timeouts++ })
		})
		defer t.Stop()
	}
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
	h(ctx, e)
}

func (b *Bus) count(f func(*BusStats)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.mu.stats)
}

// Stop takes no more events and waits until those that are queued are handled. When ctx ends first it drops the
// rest, counted, ends the context of the handlers that still run, and returns ctx's error without waiting for
// them. Twice, or before Start, does no harm; what was queued before a Start that never came is dropped.
func (b *Bus) Stop(ctx context.Context) error {
	b.mu.Lock()
	b.mu.stopped = true
	if !b.mu.started {
		b.dropQueuedLocked()
	}
	b.wakeBlockedLocked()
	b.mu.work.Broadcast()
	b.mu.Unlock()

	drained := make(chan struct{})
	go func() {
		b.idle.Wait()
		close(drained)
	}()
	select {
	case <-drained:
		b.cancel()
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	b.dropQueuedLocked()
	b.mu.Unlock()
	b.cancel()
	return fmt.Errorf("stop the event bus: handlers still run: %w", ctx.Err())
}

func (b *Bus) dropQueuedLocked() {
	for {
		e, p, ok := b.mu.queues.pop()
		if !ok {
			return
		}
		b.mu.stats.drop(e.Type, p)
	}
}

package pool

import (
	"context"
	"slices"
	"sync"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/event"
)

// Pool holds servers and hands them out. Its methods may be called concurrently.
type Pool struct {
	cfg    Config
	events *event.Outlet
	launch func(ctx context.Context) (link, error)
	wg     sync.WaitGroup  // every goroutine of the pool
	ctx    context.Context // done when the pool is closed: starts are given up
	cancel context.CancelFunc

	mu       sync.Mutex // guards the following
	phase    phase
	all      map[*instance]bool // that run, or are being stopped
	idle     []*instance        // those that are free, the newest last; empty while somebody waits
	starting int
	waiters  []*waiter // in order of arrival
	trouble  trouble
	empty    chan struct{} // closed when the pool is closed and no caller has an instance
	count    counters
}

type phase int

const (
	fresh phase = iota
	open
	closing
)

// New returns a pool. The error names every field of cfg that is out of range. Nothing is started before Start.
func New(cfg Config) (*Pool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Pool{cfg: cfg.withDefaults(), events: event.NewOutlet(cfg.Sink), all: map[*instance]bool{}, empty: make(chan struct{}), count: counters{stopped: map[Cause]int64{}}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	contain, err := proc.Contain(proc.Auto)
	if err != nil {
		return nil, err
	}
	p.launch = (&launcher{&p.cfg, contain}).launch
	return p, nil
}

// SetDefaultSink implements event.SinkSetter.
func (p *Pool) SetDefaultSink(s event.Sink) { p.events.SetDefaultSink(s) }

// Start opens the pool and starts Config.MinIdle instances. It returns when they are free, and with an *Error
// when the pool has given up to start them: it is open all the same, and tries again later. A done ctx ends the wait alone.
// A second Start does nothing; after Close it returns ErrClosed.
func (p *Pool) Start(ctx context.Context) error {
	p.mu.Lock()
	if p.phase == closing {
		p.mu.Unlock()
		return ErrClosed
	}
	if p.phase == open {
		p.mu.Unlock()
		return nil
	}
	p.phase = open
	p.growLocked()
	p.wg.Go(p.tend)
	p.mu.Unlock()
	for {
		p.mu.Lock()
		phase, warm, err, changed := p.phase, p.runningLocked(), p.trouble.givenUp(p.cfg.MaxFailures), p.trouble.watch()
		p.mu.Unlock()
		switch {
		case phase == closing:
			return ErrClosed
		case warm >= p.cfg.MinIdle:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Close takes no more callers, sends those who wait away with ErrClosed, stops free instances, and waits for those that
// callers have until ctx is done: then they are stopped too, in the middle of a call. When it returns, nothing of the pool is
// left. It is safe to call it again, and before Start.
func (p *Pool) Close(ctx context.Context) {
	p.mu.Lock()
	if p.phase != closing {
		p.phase = closing
		for _, w := range p.waiters {
			w.got <- grant{err: ErrClosed}
		}
		p.count.failed += int64(len(p.waiters))
		p.waiters = nil
		for _, i := range slices.Clone(p.idle) {
			p.retireLocked(i, Shutdown)
		}
		p.cancel()
		p.trouble.stop()
		p.trouble.tell()
		p.emptyLocked()
	}
	p.mu.Unlock()
	select {
	case <-p.empty:
	case <-ctx.Done():
	}
	p.mu.Lock()
	for i := range p.all {
		if i.state != ending {
			i.conn.fail(Shutdown, context.Cause(ctx)) // its calls end
			p.retireLocked(i, Shutdown)
		}
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// emptyLocked says when no caller has an instance any more.
func (p *Pool) emptyLocked() {
	if p.phase != closing || p.starting > 0 {
		return
	}
	for i := range p.all {
		if i.state == leased {
			return
		}
	}
	select {
	case <-p.empty:
	default:
		close(p.empty)
	}
}

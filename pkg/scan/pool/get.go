package pool

import (
	"context"
	"slices"
	"time"
)

// waiter is a caller that waits for an instance. What it gets is sent with the pool's mutex held.
type waiter struct{ got chan grant }

// grant is an instance, or why there is none.
type grant struct {
	i   *instance
	err error
}

// Get hands out an instance, for the caller alone until it is released: first come, first served. Where none is free and
// there may be another, it is started. The error is *ExhaustedError when too many wait, or none became free in time or before ctx
// was done; *Error when servers cannot be started; ErrClosed.
func (p *Pool) Get(ctx context.Context) (*Server, error) {
	begin := time.Now()
	p.mu.Lock()
	p.count.gets++
	if err := p.refuseLocked(ctx); err != nil {
		p.mu.Unlock()
		return nil, err
	}
	if n := len(p.idle); n > 0 {
		i := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.leaseLocked(i)
		p.growLocked() // another is to be kept warm
		p.mu.Unlock()
		return &Server{pool: p, i: i}, nil
	}
	w := &waiter{make(chan grant, 1)}
	p.waiters = append(p.waiters, w)
	p.growLocked()
	p.mu.Unlock()

	if p.cfg.WaitTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.cfg.WaitTimeout)
		defer cancel()
	}
	select {
	case g := <-w.got:
		return p.granted(g)
	case <-ctx.Done():
	}
	p.mu.Lock()
	n := len(p.waiters)
	if p.waiters = slices.DeleteFunc(p.waiters, func(x *waiter) bool { return x == w }); len(p.waiters) == n {
		p.mu.Unlock()
		return p.granted(<-w.got) // it came at the same moment: who asked for it decides what to do with it
	}
	defer p.mu.Unlock()
	p.count.exhausted++
	e := p.exhaustedLocked()
	e.Waited, e.Err = time.Since(begin), context.Cause(ctx)
	return nil, e
}

// refuseLocked says why a caller need not wait.
func (p *Pool) refuseLocked(ctx context.Context) error {
	if p.phase != open {
		p.count.failed++
		return ErrClosed
	}
	if err := context.Cause(ctx); err != nil {
		p.count.failed++
		return err
	}
	if len(p.idle) > 0 {
		return nil
	}
	if err := p.trouble.givenUp(p.cfg.MaxFailures); err != nil && p.runningLocked() == 0 && time.Now().Before(p.trouble.again) {
		p.count.failed++
		return err
	}
	if len(p.waiters) >= p.cfg.MaxWaiting {
		p.count.exhausted++
		return p.exhaustedLocked()
	}
	return nil
}

func (p *Pool) exhaustedLocked() *ExhaustedError {
	return &ExhaustedError{Max: p.cfg.Max, InUse: p.statesLocked().InUse, Waiting: len(p.waiters)}
}

func (p *Pool) granted(g grant) (*Server, error) {
	if g.err != nil {
		return nil, g.err
	}
	return &Server{pool: p, i: g.i}, nil
}

func (p *Pool) leaseLocked(i *instance) {
	i.state = leased
	p.count.granted++
}

// Call gets an instance, calls it and releases it. See Server.Call.
func (p *Pool) Call(ctx context.Context, method string, params, result any) error {
	s, err := p.Get(ctx)
	if err != nil {
		return err
	}
	defer s.Release()
	return s.Call(ctx, method, params, result)
}

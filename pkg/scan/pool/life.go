package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// growLocked starts what callers wait for, and what is to be kept warm.
func (p *Pool) growLocked() {
	if p.phase != open {
		return
	}
	want := max(len(p.waiters), p.cfg.MinIdle-len(p.idle)) - p.starting
	n := min(want, p.cfg.Max-len(p.all)-p.starting)
	if p.trouble.failures > 0 { // one after the other, with pauses
		n = min(n, 1-p.starting)
		if wait := time.Until(p.trouble.again); n > 0 && wait > 0 {
			p.trouble.later(wait, p.retry)
			return
		}
	}
	for range n {
		p.starting++
		p.wg.Go(p.start)
	}
}

func (p *Pool) retry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.growLocked()
}

// start starts one instance.
func (p *Pool) start() {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(p.ctx, p.cfg.StartTimeout)
	defer cancel()
	i, err := p.begin(ctx)
	p.mu.Lock()
	p.starting--
	if err != nil {
		p.count.startFailed++
		if p.phase == closing {
			err.Cause, err.Err = Shutdown, ErrClosed // it is not to blame
		} else {
			p.failedLocked(err)
		}
		p.growLocked()
		p.emptyLocked()
		p.mu.Unlock()
		p.recordStart(nil, err, time.Since(begin))
		return
	}
	p.all[i], i.since = true, time.Now()
	p.count.started++
	p.trouble.tell()
	p.wg.Go(func() { p.guard(i) })
	p.freeLocked(i)
	p.mu.Unlock()
	p.recordStart(i, nil, time.Since(begin))
}

// begin starts a server and shakes its hand.
func (p *Pool) begin(ctx context.Context) (*instance, *Error) {
	l, err := p.launch(ctx)
	if err != nil {
		return nil, &Error{Name: p.cfg.Name, Cause: Start, Stderr: l.said.lines(), Err: err}
	}
	i := newInstance(&p.cfg, l)
	err = p.initialize(ctx, i)
	if err == nil && !i.conn.hasFailed() {
		return i, nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("not ready after %s: %w", p.cfg.StartTimeout, err)
	}
	i.conn.fail(Start, err)
	i.end()
	e := i.failure("", true)
	if e.Cause != Start {
		e.Err = errors.Join(fmt.Errorf("%s while it was started", e.Cause), e.Err)
		e.Cause = Start
	}
	return nil, e
}

func (p *Pool) initialize(ctx context.Context, i *instance) (err error) {
	if p.cfg.Initialize == nil {
		return nil
	}
	s := &Server{pool: p, i: i, early: true}
	defer func() {
		s.released.Store(true)
		if r := recover(); r != nil {
			err = fmt.Errorf("initialize: panic: %v", r)
		}
	}()
	return p.cfg.Initialize(ctx, s)
}

// guard retires an instance whose connection fails, or which ends.
func (p *Pool) guard(i *instance) {
	select {
	case <-i.conn.failed:
	case <-i.process.Exited():
		i.lastAnswers()
	case <-i.retired:
		return
	}
	cause, err := i.conn.failure()
	p.mu.Lock()
	blame := i.state != ending && cause.failure()
	p.retireLocked(i, cause)
	if blame {
		p.failedLocked(&Error{Name: p.cfg.Name, Cause: cause, PID: i.process.PID(), Stderr: i.said.lines(), Err: err})
	}
	p.mu.Unlock()
}

// retireLocked stops an instance, once.
func (p *Pool) retireLocked(i *instance, cause Cause) {
	if i.state == ending {
		return
	}
	p.idle = slices.DeleteFunc(p.idle, func(x *instance) bool { return x == i })
	i.state = ending
	close(i.retired)
	p.wg.Go(func() {
		i.end()
		cause := i.verdict(cause)
		p.mu.Lock()
		delete(p.all, i) // not before it is gone: Max is kept at every moment
		p.count.stopped[cause]++
		calls := i.calls
		p.growLocked()
		p.emptyLocked()
		p.mu.Unlock()
		p.recordStop(i, cause, calls)
	})
	p.emptyLocked()
}

// freeLocked gives an instance to whoever waits longest, or keeps it.
func (p *Pool) freeLocked(i *instance) {
	if i.state == ending {
		return
	}
	if p.phase == closing {
		p.retireLocked(i, Shutdown)
		return
	}
	if len(p.waiters) == 0 {
		i.state = free
		p.idle = append(p.idle, i)
		return
	}
	w := p.waiters[0]
	p.waiters = p.waiters[1:]
	p.leaseLocked(i)
	w.got <- grant{i: i}
	p.growLocked()
}

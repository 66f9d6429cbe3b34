package pool

import (
	"context"
	"time"
)

// release takes an instance back from its caller.
func (p *Pool) release(i *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i.state == ending {
		return
	}
	select {
	case <-i.conn.settled():
		p.reuseLocked(i)
	default: // an answer is still to come
		i.state = resting
		p.wg.Go(func() { p.settle(i) })
	}
}

// settle waits for the answers that nobody waits for any more.
func (p *Pool) settle(i *instance) {
	var late <-chan time.Time
	if p.cfg.CallTimeout > 0 {
		t := time.NewTimer(p.cfg.CallTimeout)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-i.conn.settled():
	case <-late:
		i.conn.fail(Timeout, context.DeadlineExceeded)
	case <-i.retired:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !i.conn.hasFailed() && i.state != ending {
		p.reuseLocked(i)
	}
}

// reuseLocked keeps an instance, unless it has done its time.
func (p *Pool) reuseLocked(i *instance) {
	i.since = time.Now()
	switch {
	case i.leaks:
		p.retireLocked(i, Leak)
	case p.cfg.MaxCalls > 0 && i.calls >= p.cfg.MaxCalls:
		p.retireLocked(i, Worn)
	default:
		p.freeLocked(i)
	}
}

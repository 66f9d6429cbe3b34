package pipeline

import (
	"context"
	"log/slog"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// turn is the next step of a worker.
type turn struct {
	part  *part.Part // to be delivered; nil: nothing is due
	pass  pass       // for its upload
	again time.Time  // when to look for work again; zero: when woken
	done  bool       // everything is drained
}

// work is one worker: it leases a part, delivers it, and waits if there is nothing to do.
func (p *Pipeline) work() {
	for p.workCtx.Err() == nil {
		draining := p.isDraining() // once per round: a drain that begins later ends the wait below
		t := p.next(draining)
		switch {
		case t.done:
			p.wakeOne() // the next idle worker ends as well
			return
		case t.part != nil:
			p.wakeOne() // there may be work for another worker
			if !p.deliver(t.part, t.pass) {
				p.rest() // the part is due again at once; a store on a full disk would have it sent without end
			}
		default:
			p.wait(t.again, draining)
		}
	}
}

// next leases a part.
func (p *Pipeline) next(draining bool) (t turn) {
	if draining && p.memory == nil {
		return turn{done: true} // a durable spool keeps what is not in progress
	}
	if draining {
		p.memory.hurry()
	} else {
		var ok bool
		if t.pass, ok, t.again = p.gate.enter(time.Now()); !ok {
			return t
		}
	}
	var err error
	if t.part, t.again, err = p.spool.Next(p.workCtx); t.part != nil {
		return t
	}
	if p.gate.leave(t.pass) {
		p.wakeOne() // a worker that was refused may have come for a part that was not there yet
	}
	if err != nil {
		if p.workCtx.Err() == nil {
			p.counters.failed(err)
			p.record(nil, event.Event{Type: event.AgentError, Severity: event.Error, Message: "upload queue could not be read", Error: err.Error()})
		}
		return turn{again: time.Now().Add(p.cfg.RetryDelay)}
	}
	if draining {
		c := p.spool.Counts()
		t.done = c.Queued+c.InProgress == 0
	}
	return t
}

// wait returns when there may be something to do. draining means that the drain is known already.
func (p *Pipeline) wait(until time.Time, draining bool) {
	p.changed.notify() // the last report may have ended without a worker: dropped by an operator
	var timer <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		timer = t.C
	}
	drain := p.drain
	if draining {
		drain = nil
	}
	select {
	case <-p.spool.Ready():
	case <-p.wake:
	case <-timer:
	case <-drain:
	case <-p.workCtx.Done():
	}
}

// wakeOne makes an idle worker look for work.
func (p *Pipeline) wakeOne() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// deliver makes one attempt. It reports whether the outcome is stored, or need not be.
func (p *Pipeline) deliver(pt *part.Part, at pass) (stored bool) {
	if pt.Attempt == 1 && pt.Index == 0 {
		p.record(pt, event.Event{Type: event.UploadStarted, Severity: event.Debug, Message: "upload started", Details: details(pt)})
	}
	begun := time.Now()
	result, err := p.attempt(pt)
	o := p.evaluate(pt, at, result, err)
	if p.cfg.Verbose {
		slog.Debug("upload attempt", "part", pt.Key, "attempt", pt.Attempt, "duration", time.Since(begun), "outcome", o.Kind, "error", err)
	}
	p.ending.Add(1)
	defer func() {
		p.ending.Add(-1)
		p.changed.notify()
		p.wakeOne()
	}()
	prog, err := p.spool.Settle(context.WithoutCancel(p.workCtx), pt, o)
	p.counters.attempt(pt, o, err)
	if err != nil {
		if isGone(err) {
			return true
		}
		p.recordPart(pt, event.AgentError, event.Error, "outcome of an upload could not be stored", err)
		return false
	}
	if o.Kind == part.Retry {
		p.recordRetry(pt, o)
	}
	if prog.Finished {
		p.reportEnded(pt, prog, o.Err)
	}
	return true
}

// rest keeps the worker from its next part for RetryDelay.
func (p *Pipeline) rest() {
	t := time.NewTimer(p.cfg.RetryDelay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.drain:
	case <-p.workCtx.Done():
	}
}

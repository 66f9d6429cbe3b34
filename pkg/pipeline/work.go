package pipeline

import (
	"context"
	"log/slog"
	"time"

	"github.com/rediverio/sdk/pkg/part"
)

// turn is what a worker does next.
type turn struct {
	part  *part.Part // to be delivered; nil: nothing is due
	pass  pass       // for its upload
	again time.Time  // when to look again; zero: when poked
	done  bool       // all is drained
}

// work is one worker: it leases a part, delivers it, and waits when there is nothing to do.
func (p *Pipeline) work() {
	for p.workCtx.Err() == nil {
		draining := p.isDraining() // asked once a round: a drain that begins after it must end the wait below
		t := p.next(draining)
		switch {
		case t.done:
			p.poke() // so that the next idle worker sees it too
			return
		case t.part != nil:
			p.poke() // there may be work for another one
			if !p.deliver(t.part, t.pass) {
				p.rest() // the part is due again at once, and a store on a full disk would have it sent again and again
			}
		default:
			p.wait(t.again, draining)
		}
	}
}

// next leases a part.
func (p *Pipeline) next(draining bool) (t turn) {
	if draining && p.memory == nil {
		return turn{done: true} // a durable spool keeps what is not under way
	}
	if draining {
		p.memory.hurry() // one attempt each, without waiting for a due time
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
		p.poke() // whoever was sent away may have come for a part that was not there yet
	}
	if err != nil {
		if p.workCtx.Err() == nil {
			p.tally.spoolError(err)
			p.agentError(nil, "upload queue cannot be read", err.Error())
		}
		return turn{again: time.Now().Add(p.cfg.RetryDelay)}
	}
	if draining {
		c := p.spool.Counts()
		t.done = c.Queued+c.InProgress == 0
	}
	return t
}

// wait returns when there may be something to do. seen says that the drain is known already.
func (p *Pipeline) wait(until time.Time, seen bool) {
	p.notify() // the last report may have ended otherwise: dropped by an operator
	var timer <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		timer = t.C
	}
	drain := p.drain
	if seen {
		drain = nil
	}
	select {
	case <-p.spool.Ready():
	case <-p.kick:
	case <-timer:
	case <-drain:
	case <-p.workCtx.Done():
	}
}

// poke lets an idle worker look for work.
func (p *Pipeline) poke() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// deliver makes one attempt and says whether its outcome is stored, or needs not be.
func (p *Pipeline) deliver(pt *part.Part, at pass) (stored bool) {
	if pt.Attempt == 1 && pt.Index == 0 {
		p.uploadStarted(pt)
	}
	begun := time.Now()
	result, err := p.attempt(pt)
	o := p.judge(pt, at, result, err)
	if p.cfg.Verbose {
		slog.Debug("upload attempt", "part", pt.Key, "attempt", pt.Attempt, "duration", time.Since(begun), "outcome", o.Kind, "error", err)
	}
	p.ending.Add(1)
	defer func() {
		p.ending.Add(-1)
		p.notify()
		p.poke()
	}()
	prog, err := p.spool.Settle(context.WithoutCancel(p.workCtx), pt, o)
	p.tally.attempt(pt, o, err)
	if err != nil {
		if isGone(err) { // removed by an operator: there is nothing to store it with, and nobody to tell
			return true
		}
		p.agentError(pt, "outcome of an upload could not be stored", err.Error())
		return false
	}
	if o.Kind == part.Retry {
		p.uploadRetry(pt, o)
	}
	if prog.Finished {
		p.finished(pt, prog, o.Err)
	}
	return true
}

// rest keeps this worker from its next part for RetryDelay.
func (p *Pipeline) rest() {
	t := time.NewTimer(p.cfg.RetryDelay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.drain:
	case <-p.workCtx.Done():
	}
}

package pipeline

import (
	"context"
	"log/slog"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/report"
)

// work is one worker: it leases a part, delivers it, and waits when there is nothing to do.
func (p *Pipeline) work() {
	for p.workCtx.Err() == nil {
		draining := p.isDraining() // asked once a round: a drain that begins after it must end the wait below
		part, again, done := p.next(draining)
		switch {
		case done:
			p.poke() // so that the next idle worker sees it too
			return
		case part != nil:
			p.poke() // there may be work for another one
			if !p.deliver(part) {
				p.rest() // the part is due again at once, and a store on a full disk would have it sent again and again
			}
		default:
			p.wait(again, draining)
		}
	}
}

// next leases a part, or says when to look again (zero: when poked), or that the drain is done.
func (p *Pipeline) next(draining bool) (part *report.Part, again time.Time, done bool) {
	if draining && p.memory == nil {
		return nil, time.Time{}, true // a durable spool keeps what is not under way
	}
	if draining {
		p.memory.hurry() // one attempt each, without waiting for a due time
	} else if ok, again := p.gate.enter(time.Now()); !ok {
		return nil, again, false
	}
	part, again, err := p.spool.Next(p.workCtx)
	if part != nil {
		return part, time.Time{}, false
	}
	p.gate.leave()
	if err != nil {
		if p.workCtx.Err() == nil {
			p.tally.spoolError(err)
			p.cfg.Sink.Record(event.Event{Type: event.AgentError, Severity: event.Error, Message: "upload queue cannot be read", Error: err.Error()})
		}
		return nil, time.Now().Add(p.cfg.RetryDelay), false
	}
	if draining {
		c := p.spool.Counts()
		done = c.Queued+c.InProgress == 0
	}
	return nil, again, done
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

// deliver makes one attempt and says whether its outcome is stored.
func (p *Pipeline) deliver(part *report.Part) (stored bool) {
	if part.Attempt == 1 && part.Index == 0 {
		p.record(part, event.Event{Type: event.UploadStarted, Severity: event.Debug, Message: "upload started"})
	}
	begun := time.Now()
	result, err := p.attempt(part)
	o := p.judge(part, result, err)
	p.tally.attempt(o, err, part)
	if p.cfg.Verbose {
		slog.Debug("upload attempt", "part", part.Key, "attempt", part.Attempt, "duration", time.Since(begun), "outcome", o.Kind, "error", err)
	}
	p.ending.Add(1)
	defer func() {
		p.ending.Add(-1)
		p.notify()
		p.poke()
	}()
	prog, err := p.spool.Settle(context.WithoutCancel(p.workCtx), part, o)
	if err != nil {
		p.tally.spoolError(err)
		p.record(part, event.Event{Type: event.AgentError, Severity: event.Error, Message: "outcome of an upload could not be stored", Error: err.Error()})
		return false
	}
	if o.Kind == report.Retry {
		p.record(part, event.Event{Type: event.UploadRetry, Severity: event.Warn, Message: "upload is tried again", Error: o.Err.Error(),
			Details: map[string]any{"chunk_index": part.Index, "attempt": part.Attempt, "next_try": o.Due.UTC().Format(time.RFC3339), "counts": !o.Free}})
	}
	if prog.Finished {
		p.finished(part, prog, o.Err)
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

// finished tells that a report has ended.
func (p *Pipeline) finished(part *report.Part, prog report.Progress, err error) {
	item := &QueueItem{
		ID: part.ReportID, JobID: part.JobID, TenantID: part.TenantID, ToolName: part.Tool, Priority: part.Priority,
		SubmittedAt: prog.SubmittedAt, Attempts: part.Attempt, PartKey: part.Key,
	}
	if p.memory != nil {
		item.Report = p.memory.take(part)
	}
	if prog.Dead > 0 {
		if err == nil { // the last part went well, an earlier one did not
			err = &deadPartsError{prog.Dead, prog.Total}
		}
		p.failed(item, err)
		return
	}
	res := prog.Result
	res.ReportID, res.SubmittedAt, res.CompletedAt = part.ReportID, prog.SubmittedAt, time.Now()
	res.DurationMs = res.CompletedAt.Sub(res.SubmittedAt).Milliseconds()
	if res.Status == "" {
		res.Status = "completed"
	}
	p.record(part, event.Event{Type: event.UploadCompleted, Message: "report uploaded", Duration: res.CompletedAt.Sub(res.SubmittedAt),
		Details: map[string]any{"parts": prog.Total, "findings_created": res.FindingsCreated, "findings_updated": res.FindingsUpdated, "bytes_sent": res.BytesSent}})
	if p.cfg.OnCompleted != nil {
		p.callback("OnCompleted", func() { p.cfg.OnCompleted(item, &res) })
	}
}

func (p *Pipeline) failed(item *QueueItem, err error) {
	item.LastError = err.Error()
	p.cfg.Sink.Record(event.Event{Type: event.UploadFailed, Severity: event.Error, TenantID: item.TenantID, JobID: item.JobID, ReportID: item.ID,
		Message: "report could not be uploaded", Error: err.Error()})
	if p.cfg.OnFailed != nil {
		p.callback("OnFailed", func() { p.cfg.OnFailed(item, err) })
	}
}

// callback runs user code, whose panic must not end the process.
func (p *Pipeline) callback(name string, f func()) {
	defer func() {
		if r := recover(); r != nil {
			p.cfg.Sink.Record(event.Event{Type: event.AgentError, Severity: event.Error, Message: name + " panicked", Error: panicText(r)})
		}
	}()
	f()
}

func (p *Pipeline) record(part *report.Part, e event.Event) {
	e.TenantID, e.JobID, e.ReportID = part.TenantID, part.JobID, part.ReportID
	p.cfg.Sink.Record(e)
}

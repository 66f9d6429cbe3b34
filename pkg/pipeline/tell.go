package pipeline

import (
	"errors"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// finished tells that a report has ended.
func (p *Pipeline) finished(pt *part.Part, prog part.Progress, err error) {
	item := &QueueItem{
		ID: pt.ReportID, JobID: pt.JobID, TenantID: pt.TenantID, ToolName: pt.Tool, Priority: pt.Priority,
		SubmittedAt: prog.SubmittedAt, Attempts: pt.Attempt, PartKey: pt.Key,
	}
	stopped := false
	if p.memory != nil {
		item.Report, stopped = p.memory.take(pt)
	}
	if prog.Dead > 0 {
		if err == nil { // the last part went well, an earlier one did not
			err = &deadPartsError{prog.Dead, prog.Total}
		}
		if stopped && !errors.Is(err, ErrStopped) {
			err = fmt.Errorf("%w: %w", ErrStopped, err)
		}
		p.failed(item, prog, err)
		return
	}
	res := prog.Result
	res.ReportID, res.SubmittedAt, res.CompletedAt = pt.ReportID, prog.SubmittedAt, time.Now()
	took := res.CompletedAt.Sub(res.SubmittedAt)
	res.DurationMs = took.Milliseconds()
	if res.Status == "" {
		res.Status = "completed"
	}
	p.record(pt, event.UploadCompleted, func(e *event.Event) {
		e.Message, e.Duration = "report uploaded", took
		e.Details = map[string]any{"parts": prog.Total, "findings_created": res.FindingsCreated, "findings_updated": res.FindingsUpdated, "bytes_sent": res.BytesSent}
	})
	if p.cfg.OnCompleted != nil {
		p.callback("OnCompleted", func() { p.cfg.OnCompleted(item, &res) })
	}
}

// failed tells that a report was given up. One that only the stop ended is named by Stop as well.
func (p *Pipeline) failed(item *QueueItem, prog part.Progress, err error) {
	item.LastError = err.Error()
	if p.memory != nil && errors.Is(err, ErrStopped) {
		p.unsent.add(item.ID)
	}
	p.record(&part.Part{TenantID: item.TenantID, JobID: item.JobID, ReportID: item.ID}, event.UploadFailed, func(e *event.Event) {
		e.Severity, e.Message, e.Error = event.Error, "report could not be uploaded", err.Error()
		e.Details = withAnswer(map[string]any{"attempts": item.Attempts, "parts": prog.Total, "dead_parts": prog.Dead}, err)
	})
	if p.cfg.OnFailed != nil {
		p.callback("OnFailed", func() { p.cfg.OnFailed(item, err) })
	}
}

// callback runs user code, whose panic must not end the process.
func (p *Pipeline) callback(name string, f func()) {
	defer func() {
		if r := recover(); r != nil {
			p.agentError(nil, name+" panicked", panicText(r))
		}
	}()
	f()
}

func (p *Pipeline) uploadStarted(pt *part.Part) {
	p.record(pt, event.UploadStarted, func(e *event.Event) {
		e.Severity, e.Message, e.Details = event.Debug, "upload started", details(pt)
	})
}

func (p *Pipeline) uploadRetry(pt *part.Part, o part.Outcome) {
	p.record(pt, event.UploadRetry, func(e *event.Event) {
		e.Severity, e.Message, e.Error = event.Warn, "upload is tried again", o.Err.Error()
		e.Details = withAnswer(details(pt), o.Err)
		e.Details["next_try"], e.Details["counts"] = o.Due.UTC().Format(time.RFC3339), !o.Free
	})
}

// refused tells what the receiver has against the part, the credentials, or the number of requests.
func (p *Pipeline) refused(pt *part.Part, kind event.Type, s event.Severity, message string, err error) {
	p.record(pt, kind, func(e *event.Event) {
		e.Severity, e.Message, e.Error, e.Details = s, message, err.Error(), withAnswer(details(pt), err)
	})
}

// details names the part in an event.
func details(pt *part.Part) map[string]any {
	return map[string]any{"chunk_index": pt.Index, "total_chunks": pt.Total, "size": len(pt.Data), "attempt": pt.Attempt}
}

// withAnswer adds to the details what is known of the receiver's answer.
func withAnswer(d map[string]any, err error) map[string]any {
	f := classify(err)
	if f.status != 0 {
		d["status"] = f.status
	}
	if f.retryAfter > 0 {
		d["retry_after_ms"] = f.retryAfter.Milliseconds()
	}
	return d
}

// agentError says what went wrong here; part may be nil.
func (p *Pipeline) agentError(pt *part.Part, message, text string) {
	p.record(pt, event.AgentError, func(e *event.Event) { e.Severity, e.Message, e.Error = event.Error, message, text })
}

// record hands an event about a part, or about none, to the sink; without a sink it costs nothing to tell.
func (p *Pipeline) record(pt *part.Part, kind event.Type, fill func(*event.Event)) {
	if p.cfg.Sink == nil {
		return
	}
	e := event.Event{Type: kind}
	if pt != nil {
		e.TenantID, e.JobID, e.ReportID = pt.TenantID, pt.JobID, pt.ReportID
	}
	fill(&e)
	p.cfg.Sink.Record(e)
}

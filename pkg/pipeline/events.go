package pipeline

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// reportEnded reports the end of a report, whose last part was pt.
func (p *Pipeline) reportEnded(pt *part.Part, prog part.Progress, err error) {
	item := &QueueItem{
		ID: pt.ReportID, JobID: pt.JobID, TenantID: pt.TenantID, ToolName: pt.Tool, Priority: pt.Priority,
		SubmittedAt: prog.SubmittedAt, Attempts: pt.Attempt, PartKey: pt.Key,
	}
	stopped := false
	if p.memory != nil {
		item.Report, stopped = p.memory.take(pt)
	}
	if prog.Dead > 0 {
		if err == nil {
			err = &deadPartsError{prog.Dead, prog.Total}
		}
		if stopped && !errors.Is(err, ErrStopped) {
			err = fmt.Errorf("%w: %w", ErrStopped, err)
		}
		p.reportFailed(item, prog, err)
		return
	}
	res := prog.Result
	res.ReportID, res.SubmittedAt, res.CompletedAt = pt.ReportID, prog.SubmittedAt, time.Now()
	took := res.CompletedAt.Sub(res.SubmittedAt)
	res.DurationMs = took.Milliseconds()
	if res.Status == "" {
		res.Status = "completed"
	}
	p.record(pt, event.Event{Type: event.UploadCompleted, Message: "report uploaded", Duration: took,
		Details: map[string]any{"parts": prog.Total, "findings_created": res.FindingsCreated, "findings_updated": res.FindingsUpdated, "bytes_sent": res.BytesSent}})
	if p.cfg.OnCompleted != nil {
		p.callback("OnCompleted", func() { p.cfg.OnCompleted(item, &res) })
	}
}

// reportFailed reports that a report has ended without being uploaded.
func (p *Pipeline) reportFailed(item *QueueItem, prog part.Progress, err error) {
	item.LastError = err.Error()
	if p.memory != nil && errors.Is(err, ErrStopped) {
		p.counters.addUnsent(item.ID)
	}
	p.record(&part.Part{TenantID: item.TenantID, JobID: item.JobID, ReportID: item.ID}, event.Event{
		Type: event.UploadFailed, Severity: event.Error, Message: "report could not be uploaded", Error: err.Error(),
		Details: withAnswer(map[string]any{"attempts": item.Attempts, "parts": prog.Total, "dead_parts": prog.Dead}, err)})
	if p.cfg.OnFailed != nil {
		p.callback("OnFailed", func() { p.cfg.OnFailed(item, err) })
	}
}

// callback calls a function of the user and records its panic.
func (p *Pipeline) callback(name string, f func()) {
	defer func() {
		if r := recover(); r != nil {
			p.record(nil, event.Event{Type: event.AgentError, Severity: event.Error, Message: name + " panicked", Error: panicText(r)})
		}
	}()
	f()
}

func (p *Pipeline) recordRetry(pt *part.Part, o part.Outcome) {
	d := withAnswer(details(pt), o.Err)
	d["next_try"], d["counts"] = o.Due.UTC().Format(time.RFC3339), !o.Free
	p.record(pt, event.Event{Type: event.UploadRetry, Severity: event.Warn, Message: "upload failed and will be retried", Error: o.Err.Error(), Details: d})
}

// recordPart records an event about a part that failed with err.
func (p *Pipeline) recordPart(pt *part.Part, kind event.Type, s event.Severity, message string, err error) {
	p.record(pt, event.Event{Type: kind, Severity: s, Message: message, Error: err.Error(), Details: withAnswer(details(pt), err)})
}

// details describes a part in an event.
func details(pt *part.Part) map[string]any {
	return map[string]any{"chunk_index": pt.Index, "total_chunks": pt.Total, "size": len(pt.Data), "attempt": pt.Attempt}
}

// withAnswer adds what is known about the answer of the receiver.
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

// record records an event about a part, or about none if pt is nil.
func (p *Pipeline) record(pt *part.Part, e event.Event) {
	if pt != nil {
		e.TenantID, e.JobID, e.ReportID = pt.TenantID, pt.JobID, pt.ReportID
	}
	p.sink.Record(e)
	if p.cfg.Verbose {
		event.Slog(slog.Default()).Record(e)
	}
}

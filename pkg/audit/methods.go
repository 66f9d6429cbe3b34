package audit

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// Info logs an event of severity INFO.
func (l *Logger) Info(t EventType, message string, details map[string]any) {
	l.Log(Event{Type: t, Severity: SeverityInfo, Message: message, Details: details})
}

// Error logs an event of severity ERROR. err may be nil.
func (l *Logger) Error(t EventType, message string, err error, details map[string]any) {
	l.Log(Event{Type: t, Severity: SeverityError, Message: message, Error: errorText(err), Details: details})
}

// JobStarted logs the start of a job. jobType is added to the details as job_type.
func (l *Logger) JobStarted(jobID, jobType string, details map[string]any) {
	l.Log(Event{Type: EventJobStarted, Severity: SeverityInfo, JobID: jobID, Message: "Job started",
		Details: with(details, "job_type", jobType)})
}

// JobCompleted logs the success of a job that took duration.
func (l *Logger) JobCompleted(jobID string, duration time.Duration, details map[string]any) {
	l.Log(Event{Type: EventJobCompleted, Severity: SeverityInfo, JobID: jobID, Message: "Job completed successfully",
		Duration: duration, Details: details})
}

// JobFailed logs the failure of a job, with severity ERROR. err may be nil.
func (l *Logger) JobFailed(jobID string, err error, details map[string]any) {
	l.Log(Event{Type: EventJobFailed, Severity: SeverityError, JobID: jobID, Message: "Job failed",
		Error: errorText(err), Details: details})
}

// ChunkUploaded logs that the server accepted a part of a report. chunkIndex counts from 0, totalChunks is the number of parts
// of the report, and size is the number of bytes sent.
func (l *Logger) ChunkUploaded(reportID string, chunkIndex, totalChunks, size int) {
	message := "Chunk uploaded"
	if chunkIndex >= 0 && chunkIndex < totalChunks {
		message = fmt.Sprintf("Chunk %d of %d uploaded", chunkIndex+1, totalChunks)
	}
	l.Log(Event{Type: EventChunkUploaded, Severity: SeverityInfo, ReportID: reportID, Message: message,
		Details: map[string]any{"chunk_index": chunkIndex, "total_chunks": totalChunks, "size_bytes": size}})
}

// ResourceThrottle logs that no more jobs are admitted, with severity WARN. reason is added to the details, which are metrics.
func (l *Logger) ResourceThrottle(reason string, metrics map[string]any) {
	l.Log(Event{Type: EventResourceThrottle, Severity: SeverityWarn, Message: "Resource throttling activated: " + reason,
		Details: with(metrics, "reason", reason)})
}

// ContextLogger logs the events of one job and its report. Its methods may be called concurrently.
type ContextLogger struct {
	l               *Logger
	ctx             context.Context
	jobID, reportID string
}

// WithContext returns a logger whose events have jobID and reportID. Events are logged even when ctx is done, but then a
// critical one is not waited for. A nil ctx is never done.
func (l *Logger) WithContext(ctx context.Context, jobID, reportID string) *ContextLogger {
	if ctx == nil {
		ctx = context.Background()
	}
	return &ContextLogger{l, ctx, jobID, reportID}
}

// Info logs an event of severity INFO.
func (c *ContextLogger) Info(t EventType, message string, details map[string]any) {
	c.log(Event{Type: t, Severity: SeverityInfo, Message: message, Details: details})
}

// Error logs an event of severity ERROR. err may be nil.
func (c *ContextLogger) Error(t EventType, message string, err error, details map[string]any) {
	c.log(Event{Type: t, Severity: SeverityError, Message: message, Error: errorText(err), Details: details})
}

func (c *ContextLogger) log(e Event) {
	e.JobID, e.ReportID = c.jobID, c.reportID
	c.l.log(c.ctx, e)
}

type correlationKey struct{}

// WithCorrelationID returns a context for WithContext that adds id to each event as correlation_id, such as the ID of a trace
// across agents and servers.
func WithCorrelationID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, correlationKey{}, id)
}

// with returns a copy of details with an entry added. An entry of the caller with this key has precedence.
func with(details map[string]any, key string, v any) map[string]any {
	out := make(map[string]any, len(details)+1)
	out[key] = v
	maps.Copy(out, details)
	return out
}

// errorText returns the text of err. It recovers if the Error method panics.
func errorText(err error) (s string) {
	if err == nil {
		return ""
	}
	defer func() {
		if r := recover(); r != nil {
			s = fmt.Sprintf("[%T panics]", err)
		}
	}()
	return err.Error()
}

// Package event defines the events that every part of the SDK records, and the sinks that receive them.
//
// A component fills in an [Event] and passes it to a [Sink], which must not block. The audit log is a Sink, [Slog] writes
// events to a logger, [Tee] joins several sinks, and a [Bus] calls subscribed handlers from a bounded worker pool. A
// component holds its Sink in an [Outlet], so that an agent can set it after construction.
package event

import (
	"encoding/json"
	"math"
	"time"
)

// Type is the kind of an event. The values are part of the audit log format and never change.
type Type string

// The types of events. Package audit exports the same values under the names audit.Event….
const (
	// AgentStart is recorded when the agent has started.
	AgentStart Type = "agent_start"
	// AgentStop is recorded when the agent has ended in an orderly way.
	AgentStop Type = "agent_stop"
	// AgentError is recorded for a failure that does not end a job.
	AgentError Type = "agent_error"

	// JobReceived is recorded when a job source delivers a job.
	JobReceived Type = "job_received"
	// JobStarted is recorded when a job has its slot and its scan begins.
	JobStarted Type = "job_started"
	// JobCompleted is recorded when the pipeline has accepted the report of a job.
	JobCompleted Type = "job_completed"
	// JobFailed is recorded when a job ends without a report.
	JobFailed Type = "job_failed"
	// JobTimeout is recorded instead of JobFailed when the scan reached its time limit.
	JobTimeout Type = "job_timeout"

	// ScanStarted is recorded when a scanner process was started.
	ScanStarted Type = "scan_started"
	// ScanCompleted is recorded when a scanner ended with a declared exit code and a complete report.
	ScanCompleted Type = "scan_completed"
	// ScanFailed is recorded when a scanner ended in any other way.
	ScanFailed Type = "scan_failed"

	// UploadStarted is recorded at the first attempt of the first part of a report.
	UploadStarted Type = "upload_started"
	// UploadCompleted is recorded when the last part of a report was uploaded.
	UploadCompleted Type = "upload_completed"
	// UploadFailed is recorded when a report has ended and at least one of its parts could not be uploaded.
	UploadFailed Type = "upload_failed"
	// UploadRetry is recorded when an attempt failed and the part will be tried again.
	UploadRetry Type = "upload_retry"

	// ChunkCreated is recorded when the parts of a report are on disk.
	ChunkCreated Type = "chunk_created"
	// ChunkUploaded is recorded when the receiver has accepted a part.
	ChunkUploaded Type = "chunk_uploaded"
	// ChunkFailed is recorded when a part became a dead letter.
	ChunkFailed Type = "chunk_failed"
	// ChunkCleanup is recorded when stored data was removed: uploaded, too old, too large, or by an operator.
	ChunkCleanup Type = "chunk_cleanup"

	// ResourceThrottle is recorded when the admission of jobs stops.
	ResourceThrottle Type = "resource_throttle"
	// ResourceResume is recorded when the admission of jobs resumes.
	ResourceResume Type = "resource_resume"
	// ResourceWarning is recorded when the host comes close to a limit.
	ResourceWarning Type = "resource_warning"

	// ConcurrencyChanged is recorded when adaptive concurrency changes the number of job slots.
	ConcurrencyChanged Type = "concurrency_changed"
	// DegradationChanged is recorded when the degradation level of the agent changes.
	DegradationChanged Type = "degradation_changed"
	// BudgetChanged is recorded when guaranteed resources were moved between components.
	BudgetChanged Type = "budget_changed"

	// ProcessWarning is recorded for a process, not started by the agent, that is over a limit or would be ended.
	ProcessWarning Type = "process_warning"
	// ProcessStopped is recorded when such a process was ended.
	ProcessStopped Type = "process_stopped"
	// CacheCleanup is recorded when a cache directory was over its size.
	CacheCleanup Type = "cache_cleanup"

	// InstanceStarted is recorded when a pool has started a scanner server.
	InstanceStarted Type = "instance_started"
	// InstanceStopped is recorded when such a server ended, was replaced, crashed, or could not be started.
	InstanceStopped Type = "instance_stopped"

	// AuthFailed is recorded when a server refuses the credentials.
	AuthFailed Type = "auth_failed"
	// RateLimited is recorded when a server asks for fewer requests.
	RateLimited Type = "rate_limited"
	// ValidationError is recorded when input was refused or quarantined.
	ValidationError Type = "validation_error"
)

// Types returns all types, in the order of their definition.
func Types() []Type {
	return []Type{
		AgentStart, AgentStop, AgentError,
		JobReceived, JobStarted, JobCompleted, JobFailed, JobTimeout,
		ScanStarted, ScanCompleted, ScanFailed,
		UploadStarted, UploadCompleted, UploadFailed, UploadRetry,
		ChunkCreated, ChunkUploaded, ChunkFailed, ChunkCleanup,
		ResourceThrottle, ResourceResume, ResourceWarning, ConcurrencyChanged, DegradationChanged, BudgetChanged,
		ProcessWarning, ProcessStopped, CacheCleanup, InstanceStarted, InstanceStopped,
		AuthFailed, RateLimited, ValidationError,
	}
}

// Severity is how much an event matters to an operator.
type Severity string

// The severities, in rising order. An empty Severity means Info.
const (
	Debug    Severity = "DEBUG"
	Info     Severity = "INFO"
	Warn     Severity = "WARN"
	Error    Severity = "ERROR"
	Critical Severity = "CRITICAL"
)

// Rank returns the order of s: Debug is 0, Critical 4. Empty and unknown severities rank as Info.
func (s Severity) Rank() int {
	switch s {
	case Debug:
		return 0
	case Warn:
		return 2
	case Error:
		return 3
	case Critical:
		return 4
	}
	return 1
}

// Event is one thing that happened. The component that records it fills in what it knows; an audit log adds the time, the
// agent and the tenant where they are missing.
type Event struct {
	// Timestamp is the time of the event. If zero, the first sink that needs it takes the current time.
	Timestamp time.Time
	// Type is the kind of the event.
	Type Type
	// Severity is how much the event matters. Empty means Info.
	Severity Severity
	// AgentID, TenantID, JobID and ReportID name what the event belongs to. Each may be empty.
	AgentID, TenantID, JobID, ReportID string
	// Message is one sentence for people.
	Message string
	// Error is the text of the error. It is empty if nothing failed.
	Error string
	// Duration is how long the thing that ended took. In JSON it is duration_ms, in milliseconds, absent if zero.
	Duration time.Duration
	// Details are facts for programs. Sinks must copy what they keep; the values must not be changed after Record.
	Details map[string]any
}

// wire is the JSON form of an Event.
type wire struct {
	Timestamp  time.Time      `json:"timestamp"`
	Type       Type           `json:"type"`
	Severity   Severity       `json:"severity"`
	AgentID    string         `json:"agent_id,omitempty"`
	TenantID   string         `json:"tenant_id,omitempty"`
	JobID      string         `json:"job_id,omitempty"`
	ReportID   string         `json:"report_id,omitempty"`
	Message    string         `json:"message"`
	Error      string         `json:"error,omitempty"`
	DurationMS float64        `json:"duration_ms,omitempty"`
	Details    map[string]any `json:"details,omitempty"`
}

// MarshalJSON implements json.Marshaler with the names of the audit log format.
func (e Event) MarshalJSON() ([]byte, error) {
	w := wire{
		Timestamp: e.Timestamp.UTC(), Type: e.Type, Severity: e.Severity, AgentID: e.AgentID, TenantID: e.TenantID,
		JobID: e.JobID, ReportID: e.ReportID, Message: e.Message, Error: e.Error,
		DurationMS: float64(e.Duration) / float64(time.Millisecond), Details: e.Details,
	}
	if w.Severity == "" {
		w.Severity = Info
	}
	return json.Marshal(w)
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *Event) UnmarshalJSON(b []byte) error {
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*e = Event{
		Timestamp: w.Timestamp, Type: w.Type, Severity: w.Severity, AgentID: w.AgentID, TenantID: w.TenantID,
		JobID: w.JobID, ReportID: w.ReportID, Message: w.Message, Error: w.Error,
		Duration: time.Duration(math.Round(w.DurationMS * float64(time.Millisecond))), Details: w.Details,
	}
	return nil
}

// Package event is the one vocabulary in which every part of the SDK says what it did.
//
// A producer fills an [Event] and hands it to a [Sink]. A sink may not block: the audit log is a sink,
// [Tee] joins several, and [Bus] fans events out to handlers over a bounded worker pool.
package event

import (
	"encoding/json"
	"math"
	"time"
)

// Type names what happened. The values are the ones of the audit log format and never change.
type Type string

// The vocabulary. Package audit exports the same values as audit.Event….
const (
	AgentStart Type = "agent_start" // the agent is up
	AgentStop  Type = "agent_stop"  // the agent ended in an orderly way
	AgentError Type = "agent_error" // something failed that is not the end of a job

	JobReceived  Type = "job_received"  // a job source handed out a job
	JobStarted   Type = "job_started"   // a slot was acquired, the job runs
	JobCompleted Type = "job_completed" // its report was accepted by the pipeline
	JobFailed    Type = "job_failed"    // it ended without a report
	JobTimeout   Type = "job_timeout"   // it ran into its time limit

	ScanStarted   Type = "scan_started"   // a scanner process was started
	ScanCompleted Type = "scan_completed" // it ended with a declared exit code and a whole report
	ScanFailed    Type = "scan_failed"    // it ended in any other way

	UploadStarted   Type = "upload_started"   // first attempt of the first part of a report
	UploadCompleted Type = "upload_completed" // the last part of a report is in
	UploadFailed    Type = "upload_failed"    // a report ended with at least one dead part
	UploadRetry     Type = "upload_retry"     // an attempt failed and the part was put back

	ChunkCreated  Type = "chunk_created"  // the parts of a report are on disk
	ChunkUploaded Type = "chunk_uploaded" // one part was accepted by the server
	ChunkFailed   Type = "chunk_failed"   // one part became a dead letter
	ChunkCleanup  Type = "chunk_cleanup"  // stored data was removed: uploaded, too old, too much, or by an operator

	ResourceThrottle Type = "resource_throttle" // admission of jobs stopped
	ResourceResume   Type = "resource_resume"   // admission resumed
	ResourceWarning  Type = "resource_warning"  // a limit is near

	ConcurrencyChanged Type = "concurrency_changed" // more or fewer job slots, as the host bears

	DegradationChanged Type = "degradation_changed" // the agent does less, or more again
	BudgetChanged      Type = "budget_changed"      // guarantees were moved between components

	ProcessWarning Type = "process_warning" // a process that the agent did not start is over a limit, or would be ended
	ProcessStopped Type = "process_stopped" // one was ended
	CacheCleanup   Type = "cache_cleanup"   // a directory was over its size

	InstanceStarted Type = "instance_started" // a pool has started a scanner server
	InstanceStopped Type = "instance_stopped" // it ended: idle, replaced, or crashed; or it could not be started

	AuthFailed      Type = "auth_failed"      // the server refused the credentials
	RateLimited     Type = "rate_limited"     // the server asked for fewer requests
	ValidationError Type = "validation_error" // input was refused or quarantined
)

// Types returns the whole vocabulary, in the order of its definition.
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

// Severity says how much an event matters to an operator.
type Severity string

// The severities, least to most severe. The zero value of Event.Severity reads as Info.
const (
	Debug    Severity = "DEBUG"
	Info     Severity = "INFO"
	Warn     Severity = "WARN"
	Error    Severity = "ERROR"
	Critical Severity = "CRITICAL"
)

// Rank orders severities: Debug 0 … Critical 4; the empty and unknown severities rank as Info.
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

// Event is one thing that happened. Producers fill what they know; an audit logger adds its agent and
// tenant where those are empty and the time where it is zero.
type Event struct {
	Timestamp time.Time      // when; zero: when a sink first sees it
	Type      Type           // what
	Severity  Severity       // empty: Info
	AgentID   string         // empty: filled by the audit logger
	TenantID  string         // empty: filled by the audit logger
	JobID     string         // empty: belongs to no job
	ReportID  string         // empty: belongs to no report
	Message   string         // one sentence for people
	Error     string         // the error's text, empty when nothing failed
	Duration  time.Duration  // on the wire: duration_ms, in milliseconds; zero is left out
	Details   map[string]any // facts for machines; sinks copy what they keep
}

// wire is the JSON shape of an Event.
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

// MarshalJSON writes the event in the audit log's format; the duration in milliseconds.
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

// UnmarshalJSON reads what MarshalJSON writes.
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

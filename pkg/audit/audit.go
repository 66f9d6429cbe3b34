// Package audit writes the events of an agent to a log whose completeness can be proven: JSON lines with consecutive
// numbers, each of which carries a hash of the line before it, in files that rotate, are compressed and expire. Secrets are
// removed before a line is built. Package auditlog reads and verifies the log.
//
// # Writing
//
// A [Logger] is an event.Sink. Log encodes the event before it returns, so that the caller can reuse the details map, and
// passes the line to one writer goroutine, which writes whenever it is idle. After a crash:
//
//   - kill -9 of the process loses at most the lines of the last moment, and no critical event;
//   - a power failure loses at most FlushInterval or BufferSize events, and no critical event.
//
// Critical events are on disk when Log returns nil. These are the events of severity CRITICAL, auth_failed, agent_start,
// agent_stop, agent_error, upload_failed and chunk_failed, and chunk_cleanup of severity WARN and above, which reports that
// data was deleted that no one else has. Callers that wait at the same time share one sync. Record, the method of a sink,
// requests the sync but does not wait for it. The events of the log about itself are synced as well.
//
// # Losses
//
// While the disk is full or fails, lines wait in memory, up to SpoolBytes. Further events are dropped. They are counted by
// type, their numbers are not used again, and an audit_dropped event reports them as soon as the disk accepts lines again,
// in this process or the next. Meanwhile critical events are written to LoggerConfig.Logger. When less than MinFreeMB is free,
// the log warns, and drops events of severity DEBUG and INFO before the disk is full. With FailClosed, Log and Err return
// errors while the log cannot be written.
//
// # Proof
//
// auditlog.Verify reads every file and reports whether each line is present and unchanged; docs/format/audit.md describes
// the format. The chain alone does not detect an attacker who recomputes all of it. A [Mark] that is kept on another host
// does, and with a key (see [CreateKey]) lines that were written before an attack cannot be signed again.
//
// # Redaction
//
// Secrets are recognized by the name of their field and by their form. This cannot find every secret: do not put whole
// environments, command lines, HTTP headers or findings of a secret scanner into Details. LoggerConfig.Redactor adds rules of
// your own.
package audit

import (
	"github.com/rediverio/sdk/internal/redact"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/audit/internal/ship"
	"github.com/rediverio/sdk/pkg/event"
)

// Event is an event.Event.
type Event = event.Event

// EventType is the type of an event, an event.Type.
type EventType = event.Type

// Severity is the severity of an event, an event.Severity.
type Severity = event.Severity

// The severities, from least to most severe.
const (
	SeverityDebug    = event.Debug
	SeverityInfo     = event.Info
	SeverityWarn     = event.Warn
	SeverityError    = event.Error
	SeverityCritical = event.Critical
)

// The event types. Their values are equal to the ones in package event, which documents them.
const (
	EventAgentStart = event.AgentStart
	EventAgentStop  = event.AgentStop
	EventAgentError = event.AgentError

	EventJobReceived  = event.JobReceived
	EventJobStarted   = event.JobStarted
	EventJobCompleted = event.JobCompleted
	EventJobFailed    = event.JobFailed
	EventJobTimeout   = event.JobTimeout

	EventScanStarted   = event.ScanStarted
	EventScanCompleted = event.ScanCompleted
	EventScanFailed    = event.ScanFailed

	EventUploadStarted   = event.UploadStarted
	EventUploadCompleted = event.UploadCompleted
	EventUploadFailed    = event.UploadFailed
	EventUploadRetry     = event.UploadRetry

	EventChunkCreated  = event.ChunkCreated
	EventChunkUploaded = event.ChunkUploaded
	EventChunkFailed   = event.ChunkFailed
	EventChunkCleanup  = event.ChunkCleanup

	EventResourceThrottle = event.ResourceThrottle
	EventResourceResume   = event.ResourceResume
	EventResourceWarning  = event.ResourceWarning

	EventConcurrencyChanged = event.ConcurrencyChanged

	EventDegradationChanged = event.DegradationChanged
	EventBudgetChanged      = event.BudgetChanged

	EventProcessWarning = event.ProcessWarning
	EventProcessStopped = event.ProcessStopped
	EventCacheCleanup   = event.CacheCleanup

	EventInstanceStarted = event.InstanceStarted
	EventInstanceStopped = event.InstanceStopped

	EventAuthFailed      = event.AuthFailed
	EventRateLimited     = event.RateLimited
	EventValidationError = event.ValidationError
)

// The types of events that the log records about itself. Events of callers cannot have them: Log adds the prefix "foreign_".
const (
	EventAuditDropped   = logfile.EventDropped
	EventAuditRecovered = logfile.EventRecovered
	EventAuditPruned    = logfile.EventPruned
	EventAuditOpened    = logfile.EventOpened
	EventAuditRotated   = logfile.EventRotated
	EventAuditError     = logfile.EventError
)

// Mark is a place in a log. Kept on another host, it proves later that the log still has every line up to it.
type Mark = logfile.Mark

// Key is the secret with which lines from Seq on are signed. Each line's key is derived from the key of the line before,
// which is then forgotten.
type Key = logfile.Key

// CreateKey creates a key file, with mode 0600, for LoggerConfig.KeyFile, and returns the first key. Keep that key away from
// the host: auditlog.Verify needs it, and its holder can forge the log. Use a key only for a log that has no lines yet,
// because Verify expects every line to be signed. It is an error if the file exists.
func CreateKey(path string) (Key, error) { return logfile.CreateKey(path) }

// TokenSource returns the bearer token for a collector. It is asked before each request, by one goroutine at a time, so a
// renewed token is used.
type TokenSource = ship.TokenSource

// RemoteStats has the numbers of sending the log to a collector.
type RemoteStats = ship.Stats

// Redacted stands in the log where a secret was.
const Redacted = redact.Marker

// DefaultRemotePath is the path of a RemoteEndpoint that has none.
const DefaultRemotePath = ship.DefaultPath

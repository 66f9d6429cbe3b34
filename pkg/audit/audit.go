// Package audit writes what an agent did to a log that stays whole and can prove it: one JSON object a line, numbered,
// each line carrying the hash of the one before, with secrets taken out, in files that rotate, compress and expire.
//
// # Writing
//
// A [Logger] is an event.Sink. Log encodes the event at once, so the caller may reuse its details map, and hands
// the finished line to one writer goroutine, which writes whenever it is idle. What that means for a crash:
//
//   - kill -9 of the process loses at most the lines of the last instant, and never a critical event;
//   - a power cut loses at most FlushInterval or BufferSize events, and never a critical event.
//
// Critical events are on disk when Log returns nil: severity CRITICAL, auth_failed, agent_start, agent_stop,
// agent_error, upload_failed (given up for good), chunk_failed, and a chunk_cleanup of WARN and above: data that nobody
// else has was deleted. What the log says about itself (losses, damage, see below) is synced as it is written. Who waits
// for the same sync shares it. Record, the method of a sink, asks for the sync but does not wait.
//
// # Losing
//
// On a full or failing disk lines wait in memory up to SpoolBytes. What goes past that is dropped: it is counted by type,
// its number is given to no other line, and one audit_dropped event says so as soon as the disk takes lines again, of
// this process or the next. Critical events are printed on Output meanwhile. Below MinFreeMB the log warns, and gives up
// DEBUG and INFO events before the disk is full. With FailClosed, Log and Err return errors while the log cannot be written.
//
// # Proving
//
// [Verify] reads every file and reports whether each line is there and as it was written; docs/formats.md describes what
// it goes by. The chain alone finds whoever does not compute all of it anew; a [Mark] kept on another host finds that too,
// and with a key (see [CreateKey]) nobody can sign anew what was written before.
//
// # Redacting
//
// Secrets are found by the name they stand under and by their looks (see redact). That is a net, not a proof: do not
// put whole environments, command lines, HTTP headers or findings of a secret scanner into Details. Redactor adds your own.
package audit

import (
	"github.com/rediverio/sdk/internal/redact"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/audit/internal/ship"
	"github.com/rediverio/sdk/pkg/event"
)

// Event is one thing that happened; the same type as event.Event.
type Event = event.Event

// EventType names what happened; the same type as event.Type.
type EventType = event.Type

// Severity says how much an event matters; the same type as event.Severity.
type Severity = event.Severity

// The severities, least to most severe.
const (
	SeverityDebug    = event.Debug
	SeverityInfo     = event.Info
	SeverityWarn     = event.Warn
	SeverityError    = event.Error
	SeverityCritical = event.Critical
)

// The vocabulary, under the names of the audit log; the values are those of package event.
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

// The events of the log about itself.
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

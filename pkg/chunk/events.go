package chunk

import "github.com/rediverio/sdk/pkg/event"

// Reasons for which stored data is removed, in the details of a chunk_cleanup event.
const (
	byUpload   = "upload"   // it is uploaded
	byAge      = "age"      // its retention has ended
	bySize     = "size"     // the store reached MaxStorageMB
	byOperator = "operator" // a method of Storage was called
	byRepeat   = "repeat"   // it was incomplete, and the same content was submitted again
)

var removalMessages = map[string]string{
	byUpload: "stored data removed after its upload", byAge: "stored data removed at the end of its retention",
	bySize: "stored data removed to stay within the storage limit", byOperator: "stored data removed by an operator",
	byRepeat: "incomplete stored data replaced by the same content submitted again",
}

// removal describes stored data that was removed.
type removal struct {
	reason              string
	tenant, job, report string // empty: several
	reports             int64  // reports whose rows were removed
	bytes               int64  // bytes of data removed
	unsent              bool   // the data was not uploaded
}

// removed records a removal that is committed. The loss of data that was not uploaded is critical, unless it was ordered.
func (m *Manager) removed(r removal) {
	e := event.Event{
		Type: event.ChunkCleanup, TenantID: r.tenant, JobID: r.job, ReportID: r.report, Message: removalMessages[r.reason],
		Details: map[string]any{"reason": r.reason, "bytes_freed": r.bytes, "reports": r.reports, "unsent": r.unsent},
	}
	switch {
	case r.reason == byUpload:
		e.Severity = event.Debug
	case r.unsent && r.reason == byOperator:
		e.Severity = event.Warn
	case r.unsent && r.reason != byRepeat:
		e.Severity = event.Critical
	}
	m.events.Record(e)
}

// cleanupFailed records the failure of a clean-up, which is tried again next time.
func (m *Manager) cleanupFailed(reason, message string, err error) {
	m.events.Record(event.Event{
		Type: event.ChunkCleanup, Severity: event.Error, Message: message, Error: err.Error(),
		Details: map[string]any{"reason": reason, "bytes_freed": int64(0)},
	})
}

// walBusy records that readers keep the write-ahead log larger than it should be.
func (m *Manager) walBusy(size, limit int64) {
	m.events.Record(event.Event{
		Type: event.ResourceWarning, Severity: event.Warn, Message: "a reader prevents the write-ahead log of the chunk store from being checkpointed",
		Details: map[string]any{"resource": "write-ahead log", "value": size, "limit": limit, "unit": "bytes", "path": m.db.Path + "-wal"},
	})
}

// databaseFailed records that the database could not be written.
func (m *Manager) databaseFailed(operation string, err error) {
	m.events.Record(event.Event{
		Type: event.AgentError, Severity: event.Error, Message: "chunk store: " + operation + " failed", Error: err.Error(),
		Details: map[string]any{"operation": operation, "path": m.cfg.DatabasePath},
	})
}

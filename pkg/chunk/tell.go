package chunk

import "github.com/rediverio/sdk/pkg/event"

// Why stored data was removed, in the details of a chunk_cleanup event.
const (
	byUpload   = "upload"   // somebody else has it now
	byAge      = "age"      // its retention is over
	bySize     = "size"     // to stay under MaxStorageMB
	byOperator = "operator" // somebody said so
	byRepeat   = "repeat"   // the same content was submitted again, and this copy of it was not whole
)

var removalMessages = map[string]string{
	byUpload: "data freed, it is uploaded", byAge: "removed, its retention is over", bySize: "removed to stay under the storage limit",
	byOperator: "removed by an operator", byRepeat: "removed for a whole copy of the same content",
}

// removal is stored data that was removed.
type removal struct {
	reason              string
	tenant, job, report string // empty: of several
	reports             int64  // whose rows are gone too
	bytes               int64  // of stored data
	unsent              bool   // nobody else has it
}

// removed tells of a removal that is committed. What is lost for good, without anybody having said so, is critical.
func (m *Manager) removed(r removal) {
	if m.silent {
		return
	}
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
	m.cfg.Sink.Record(e)
}

// cleanupFailed tells of a clean-up that is tried again next time.
func (m *Manager) cleanupFailed(reason, message string, err error) {
	m.cfg.Sink.Record(event.Event{
		Type: event.ChunkCleanup, Severity: event.Error, Message: message, Error: err.Error(),
		Details: map[string]any{"reason": reason, "bytes_freed": int64(0)},
	})
}

// walBusy reports that readers keep the write-ahead log larger than it should be.
func (m *Manager) walBusy(size, limit int64) {
	m.cfg.Sink.Record(event.Event{
		Type: event.ResourceWarning, Severity: event.Warn, Message: "a reader prevents the write-ahead log of the chunk store from being checkpointed",
		Details: map[string]any{"resource": "write-ahead log", "value": size, "limit": limit, "unit": "bytes", "path": m.db.Path + "-wal"},
	})
}

// databaseFailed reports that the database could not be written.
func (m *Manager) databaseFailed(operation string, err error) {
	m.cfg.Sink.Record(event.Event{
		Type: event.AgentError, Severity: event.Error, Message: "chunk store: " + operation + " failed", Error: err.Error(),
		Details: map[string]any{"operation": operation, "path": m.db.Path},
	})
}

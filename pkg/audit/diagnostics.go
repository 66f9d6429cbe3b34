package audit

import (
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/redact"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/event"
)

// diagnostics writes to a slog.Logger what the log itself cannot hold. It has a queue and a goroutine, so that a terminal
// that accepts no more output delays neither the log nor its callers. Records that exceed the queue are not written.
type diagnostics struct {
	log   *slog.Logger
	queue chan event.Event
	done  chan struct{}

	mu      sync.Mutex
	started bool
	closed  bool
}

// diagnosticsGrace is how long close waits for a blocked output.
const diagnosticsGrace = time.Second

func newDiagnostics(log *slog.Logger) *diagnostics {
	return &diagnostics{log: log, queue: make(chan event.Event, 256), done: make(chan struct{})}
}

func (d *diagnostics) start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.started || d.closed {
		return
	}
	d.started = true
	go func() {
		defer close(d.done)
		sink := event.Slog(d.log)
		for e := range d.queue {
			sink.Record(e)
		}
	}()
}

// record queues e. Before start and after close it writes e itself.
func (d *diagnostics) record(e event.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.started || d.closed {
		event.Slog(d.log).Record(e)
		return
	}
	select {
	case d.queue <- e:
	default:
	}
}

// close writes the queued records and ends the goroutine.
func (d *diagnostics) close() {
	d.mu.Lock()
	first := !d.closed
	d.closed = true
	if first && d.started {
		close(d.queue)
	}
	started := d.started
	d.mu.Unlock()
	if !started {
		return
	}
	select {
	case <-d.done:
	case <-time.After(diagnosticsGrace):
	}
}

// complain reports a failure of the log itself.
func (l *Logger) complain(text string) {
	l.diagnostics.record(Event{Timestamp: time.Now(), Type: EventAuditError, Severity: SeverityWarn, Message: "audit log: " + redact.Text(text)})
}

// copyOut writes a copy of e without its secrets to the diagnostics. details are its details as they are in the line, already
// redacted; note is the reason for the copy.
func (l *Logger) copyOut(e Event, details []byte, note string) {
	clean := redactor(l.cfg.Redactor)
	text := func(key, s string) string {
		s, _ = logfile.Clip(clean.redact(key, s), MaxStringBytes)
		return s
	}
	e.Message, e.Error, e.JobID, e.ReportID = note+text("message", e.Message), text("error", e.Error), text("job_id", e.JobID), text("report_id", e.ReportID)
	e.Details = nil
	if len(details) > 0 {
		_ = json.Unmarshal(details, &e.Details) // cannot fail: the encoder wrote it
	}
	l.diagnostics.record(e)
}

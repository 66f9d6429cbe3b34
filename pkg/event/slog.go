package event

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// Slog returns a Sink that writes every event to l: its message at the level of its severity, its other fields and
// its details as attributes. Critical is written as slog.LevelError+4.
func Slog(l *slog.Logger) Sink {
	return SinkFunc(func(e Event) {
		ctx := context.Background()
		level := e.Severity.Level()
		if !l.Enabled(ctx, level) {
			return
		}
		when := e.Timestamp
		if when.IsZero() {
			when = time.Now()
		}
		r := slog.NewRecord(when, level, e.Message, 0)
		r.AddAttrs(slog.String("event", string(e.Type)))
		for _, a := range []struct{ key, value string }{
			{"agent_id", e.AgentID}, {"tenant_id", e.TenantID}, {"job_id", e.JobID}, {"report_id", e.ReportID}, {"error", e.Error},
		} {
			if a.value != "" {
				r.AddAttrs(slog.String(a.key, a.value))
			}
		}
		if e.Duration != 0 {
			r.AddAttrs(slog.Duration("duration", e.Duration))
		}
		for _, key := range slices.Sorted(maps.Keys(e.Details)) {
			r.AddAttrs(slog.Any(key, e.Details[key]))
		}
		_ = l.Handler().Handle(ctx, r) // a Sink has no way to report an error
	})
}

// Level returns the slog level that corresponds to s.
func (s Severity) Level() slog.Level {
	return slog.Level(4 * (s.Rank() - 1)) // Debug -4, Info 0, Warn 4, Error 8, Critical 12
}

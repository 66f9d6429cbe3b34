package event_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/event"
)

func TestOutletKeepsItsFirstSink(t *testing.T) {
	var first, second testkit.Recorder
	o := event.NewOutlet(nil)
	o.Record(event.Event{Type: event.AgentStart}) // dropped: there is no sink yet
	o.SetDefaultSink(nil)
	o.SetDefaultSink(&first)
	o.SetDefaultSink(&second)
	o.Record(event.Event{Type: event.AgentStop})
	if got := len(first.Events()); got != 1 {
		t.Errorf("first sink has %d events, want 1", got)
	}
	if got := len(second.Events()); got != 0 {
		t.Errorf("second sink has %d events, want 0", got)
	}
	configured := event.NewOutlet(&second)
	configured.SetDefaultSink(&first)
	configured.Record(event.Event{})
	if got := len(second.Events()); got != 1 {
		t.Errorf("configured sink has %d events, want 1", got)
	}
}

func TestSlogWritesFieldsDetailsAndLevel(t *testing.T) {
	var b bytes.Buffer
	h := slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	sink := event.Slog(slog.New(h))
	sink.Record(event.Event{
		Type: event.JobFailed, Severity: event.Warn, JobID: "job-1", Message: "job failed", Error: "exit status 2",
		Duration: 2 * time.Second, Details: map[string]any{"target": "/srv", "attempt": 1},
	})
	sink.Record(event.Event{Type: event.JobStarted, Severity: event.Debug, Message: "below the level"})
	sink.Record(event.Event{Type: event.AgentError, Severity: event.Critical, Message: "disk is gone"})
	const want = `level=WARN msg="job failed" event=job_failed job_id=job-1 error="exit status 2" duration=2s attempt=1 target=/srv
level=ERROR+4 msg="disk is gone" event=agent_error`
	if got := strings.TrimSpace(b.String()); got != want {
		t.Errorf("Slog wrote\n%s\nwant\n%s", got, want)
	}
}

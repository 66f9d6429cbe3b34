package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/audit/auditlog"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// open returns a Logger on path that prints nothing and is stopped when the test ends. Neither a slow disk nor a full one
// loses it a line: it waits for the disk as long as it takes, and ignores how much of the disk is free. A test of these
// limits sets them to 0, which is their default.
func open(t testing.TB, path string, change func(*LoggerConfig)) *Logger {
	t.Helper()
	cfg := &LoggerConfig{AgentID: "agent-001", TenantID: "tenant-123", LogFile: path, Logger: slog.New(slog.DiscardHandler),
		SyncTimeout: time.Hour, MinFreeMB: -1}
	if change != nil {
		change(cfg)
	}
	l, err := NewLogger(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Stop() })
	return l
}

func logPath(t testing.TB) string { return filepath.Join(t.TempDir(), "logs", "audit.log") }

// stop stops l, and waits for the disk longer than Stop does.
func stop(t testing.TB, l *Logger) {
	t.Helper()
	_ = l.Stop() // the second call returns the same error, unless the first one did not wait long enough
	<-l.done
	if err := l.Stop(); err != nil {
		t.Fatalf("Stop() = %v, want nil", err)
	}
}

// line is one line read back.
type line struct {
	Event
	Seq       uint64
	Truncated bool
	raw       string
}

// readAll reads every line of the log but headers and trailers, in the order of their numbers, and fails on one that is
// not whole JSON.
func readAll(t testing.TB, path string) []line {
	t.Helper()
	r, err := logfile.OpenReader(path, logfile.Cursor{})
	if err != nil {
		t.Fatal(err)
	}
	var all []line
	for {
		raw, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var l line
		var extra struct {
			Seq       uint64
			Truncated bool
		}
		if err := json.Unmarshal(raw.Bytes, &l.Event); err != nil {
			t.Fatalf("%s:%d: %v in %.200q", raw.File.Name(), raw.Number, err, raw.Bytes)
		}
		if err := json.Unmarshal(raw.Bytes, &extra); err != nil {
			t.Fatal(err)
		}
		if l.Type == EventAuditOpened || l.Type == EventAuditRotated {
			continue
		}
		l.Seq, l.Truncated, l.raw = extra.Seq, extra.Truncated, string(raw.Bytes)
		all = append(all, l)
	}
	if len(r.Part) > 0 {
		t.Errorf("%s ends with half a line: %q", path, r.Part)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Seq < all[j].Seq })
	return all
}

// wantVerdict verifies the log and returns the report.
func wantVerdict(t testing.TB, path string, want auditlog.Verdict) *auditlog.Report {
	t.Helper()
	rep, err := auditlog.Verify(t.Context(), path, auditlog.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Verdict != want {
		t.Errorf("the log is %v, want %v: %v", rep.Verdict, want, rep.Findings)
	}
	return rep
}

// wantGapless fails unless the lines are numbered from, from+1, …, to.
func wantGapless(t testing.TB, lines []line, from, to uint64) {
	t.Helper()
	if n := uint64(len(lines)); n != to-from+1 {
		t.Errorf("%d lines, want %d to %d", n, from, to)
	}
	for i, l := range lines {
		if l.Seq != from+uint64(i) {
			t.Fatalf("line %d has seq %d, want %d", i, l.Seq, from+uint64(i))
		}
	}
}

func wantBalanced(t testing.TB, s Stats) {
	t.Helper()
	var byType uint64
	for _, n := range s.DroppedByType {
		byType += n
	}
	if s.Logged != s.Written+s.Queued+s.Dropped || s.Synced > s.Written || byType != s.Dropped {
		t.Errorf("the numbers do not add up: %+v", s)
	}
}

func info(i int) Event {
	return Event{Type: EventJobStarted, Message: "Job started", JobID: fmt.Sprintf("job-%d", i),
		Details: map[string]any{"target": "/srv/checkout", "tool": "semgrep", "n": i, "ok": true}}
}

// textLogger writes to w what diagnostics say.
func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

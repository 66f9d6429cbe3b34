package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"testing"
	"time"
)

// open opens a logger on path with the console silenced; the test stops it.
func open(t testing.TB, path string, change func(*LoggerConfig)) *Logger {
	t.Helper()
	cfg := &LoggerConfig{AgentID: "agent-001", TenantID: "tenant-123", LogFile: path, Output: io.Discard}
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

func stop(t testing.TB, l *Logger) {
	t.Helper()
	if err := l.Stop(); err != nil {
		t.Fatalf("Stop: %v", err)
	}
}

// line is one line read back.
type line struct {
	Event
	Seq       uint64
	Truncated bool
	raw       string
}

// readAll reads every file of the log in the order of the lines, and fails on one that is not whole JSON.
func readAll(t testing.TB, path string) []line {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	var all []line
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 0 && b[len(b)-1] != '\n' {
			t.Errorf("%s does not end with a whole line", filepath.Base(f))
		}
		for raw := range bytes.Lines(b) {
			var l line
			var extra struct {
				Seq       uint64
				Truncated bool
			}
			if err := json.Unmarshal(raw, &l.Event); err != nil {
				t.Fatalf("%s: %v in %.200q", filepath.Base(f), err, raw)
			}
			if err := json.Unmarshal(raw, &extra); err != nil {
				t.Fatal(err)
			}
			l.Seq, l.Truncated, l.raw = extra.Seq, extra.Truncated, string(raw)
			all = append(all, l)
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Seq < all[j].Seq })
	return all
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

// eventually polls until ok or ten seconds passed.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within ten seconds: %s", what)
}

func info(i int) Event {
	return Event{Type: EventJobStarted, Message: "Job started", JobID: fmt.Sprintf("job-%d", i),
		Details: map[string]any{"target": "/srv/checkout", "tool": "semgrep", "n": i, "ok": true}}
}

func contextWithTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

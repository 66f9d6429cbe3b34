package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestStopWithoutStartWrites(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	l.Info(EventJobStarted, "one", nil)
	l.Info(EventJobStarted, "two", nil)
	stop(t, l)
	wantGapless(t, readAll(t, path), 1, 2)
	if s := l.Stats(); s.Synced != 2 {
		t.Errorf("after Stop %d of 2 lines are synced", s.Synced)
	}
}

func TestSeqGoesOnOverRestarts(t *testing.T) {
	path := logPath(t)
	for run := range 3 {
		l := open(t, path, nil)
		l.Start()
		l.Info(EventJobStarted, fmt.Sprint(run), nil)
		stop(t, l)
	}
	wantGapless(t, readAll(t, path), 1, 3)
}

func TestFilesArePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	path := logPath(t)
	l := open(t, path, nil)
	l.Info(EventJobStarted, "x", nil)
	for _, f := range []struct {
		path string
		want os.FileMode
	}{{filepath.Dir(path), 0o700}, {path, 0o600}, {path + ".lock", 0o600}} {
		fi, err := os.Stat(f.path)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != f.want {
			t.Errorf("%s has mode %o, want %o", filepath.Base(f.path), fi.Mode().Perm(), f.want)
		}
	}
}

func TestAWideModeIsNarrowed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	path := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, path, nil)
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", fi.Mode(), err)
	}
}

func TestASecondLoggerOnTheFileIsRefused(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	_, err := NewLogger(&LoggerConfig{LogFile: path})
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() || !strings.Contains(err.Error(), path) {
		t.Fatalf("second logger: %v, want a LockedError with path and process", err)
	}
	stop(t, l)
	open(t, path, nil) // and Stop gives the file free
}

func TestLinksAndOddFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "audit.log")
	if err := os.Symlink(victim, link); err != nil {
		t.Skip(err)
	}
	if _, err := NewLogger(&LoggerConfig{LogFile: link}); err == nil && runtime.GOOS != "windows" {
		t.Error("a log that is a symbolic link was opened")
	}
	if b, _ := os.ReadFile(victim); string(b) != "mine" {
		t.Errorf("the link's target is now %q", b)
	}
	if _, err := NewLogger(&LoggerConfig{LogFile: dir}); err == nil {
		t.Error("a log that is a directory was opened")
	}
}

func TestHomeIsExpanded(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	l, err := NewLogger(nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Start()
	l.Info(EventAgentStart, "up", nil)
	stop(t, l)
	wantGapless(t, readAll(t, filepath.Join(home, ".rediver", "audit.log")), 1, 1)
}

func TestAfterStopIsCountedAndPrintedOnce(t *testing.T) {
	var out bytes.Buffer
	l := open(t, logPath(t), func(c *LoggerConfig) { c.Logger = textLogger(&out) })
	l.Start()
	stop(t, l)
	stop(t, l)
	l.Start()
	for range 3 {
		l.Info(EventJobStarted, "too late", nil)
	}
	s := l.Stats()
	wantBalanced(t, s)
	if s.AfterStop != 3 || s.Dropped != 3 || s.DroppedByType[EventJobStarted] != 3 {
		t.Errorf("stats after three late events: %+v", s)
	}
	if n := strings.Count(out.String(), "too late"); n != 1 {
		t.Errorf("printed %d times, want once: %q", n, out.String())
	}
	if err := l.Flush(); err != nil {
		t.Errorf("Flush after Stop: %v", err)
	}
}

func TestANilLoggerDoesNothing(t *testing.T) {
	var l *Logger
	l.Start()
	l.Info(EventJobStarted, "x", nil)
	l.WithContext(t.Context(), "j", "r").Error(EventJobFailed, "x", nil, nil)
	if err := errors.Join(l.Flush(), l.Stop()); err != nil || l.Stats().Logged != 0 {
		t.Error(err)
	}
}

func TestLinesAreWrittenWhenIdleAndSyncedInTime(t *testing.T) {
	path := logPath(t)
	synctest.Test(t, func(t *testing.T) {
		l := open(t, path, nil)
		l.Start()
		l.Log(info(1))
		synctest.Wait()
		if s := l.Stats(); s.Written != 1 || s.Synced != 0 {
			t.Errorf("idle, at once: %+v; want 1 written, 0 synced", s)
		}
		wantGapless(t, readAll(t, path), 1, 1)
		time.Sleep(DefaultFlushInterval)
		synctest.Wait()
		if s := l.Stats(); s.Synced != 1 {
			t.Errorf("after FlushInterval: %+v; want 1 synced", s)
		}
		for i := range DefaultBufferSize {
			l.Log(info(i))
			synctest.Wait()
		}
		if s := l.Stats(); s.Synced != 1+DefaultBufferSize {
			t.Errorf("after BufferSize events: %+v; want all synced", s)
		}
		stop(t, l)
	})
}

func TestCriticalEventsAreSyncedBeforeLogReturns(t *testing.T) {
	for _, start := range []bool{true, false} {
		l := open(t, logPath(t), func(c *LoggerConfig) { c.FlushInterval = -1 })
		if start {
			l.Start()
		}
		for i, e := range []Event{
			{Type: EventAgentStart}, {Type: EventAgentStop}, {Type: EventAgentError, Severity: SeverityWarn}, {Type: EventAuthFailed},
			{Type: EventUploadFailed, Severity: SeverityError}, {Type: EventChunkFailed, Severity: SeverityError},
			{Type: EventChunkCleanup, Severity: SeverityWarn},  // an operator dropped what nobody else has
			{Type: EventChunkCleanup, Severity: SeverityError}, // nothing could be freed
			{Type: EventJobFailed, Severity: SeverityCritical},
		} {
			l.Log(Event{Type: EventJobStarted})
			l.Log(e)
			if s := l.Stats(); s.Synced != uint64(2*i+2) {
				t.Errorf("started %v: after %s %s synced %d, want %d", start, e.Type, e.Severity, s.Synced, 2*i+2)
			}
		}
		l.Log(Event{Type: EventChunkCleanup, Severity: SeverityDebug}) // uploaded: nothing is lost
		if s := l.Stats(); s.NotDurable != 0 || s.Synced != s.Logged-1 {
			t.Errorf("%+v; want the last one not synced", s)
		}
	}
}

// What the log says about losses and damage is on disk before the event that follows it is known to be.
func TestWhatTheLogSaysAboutItselfIsSynced(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	l.Log(info(1))
	if err := os.Remove(path); err != nil {
		t.Skip(err) // an open file on Windows
	}
	l.Log(info(2)) // finds the file gone, and queues a word about it
	l.Log(info(3)) // with which that is written
	s := l.Stats()
	if n := s.Logged - 3; n == 0 || l.Head().Seq < 3 || s.Synced < 3 {
		t.Errorf("%+v, synced up to %d", s, l.Head().Seq)
	}
}

func TestFlushSyncs(t *testing.T) {
	for _, start := range []bool{true, false} {
		l := open(t, logPath(t), nil)
		if start {
			l.Start()
		}
		l.Log(info(1))
		if err := l.Flush(); err != nil || l.Stats().Synced != 1 {
			t.Errorf("started %v: %v, %+v", start, err, l.Stats())
		}
	}
}

// The caller goes on using its map right after Log; under -race this fails when the logger still reads it.
func TestTheDetailsMapIsTheCallersAgain(t *testing.T) {
	const workers, each = 8, 300
	path := logPath(t)
	l := open(t, path, nil)
	l.Start()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			nested := map[string]any{"v": 0}
			details := map[string]any{"worker": w, "nested": nested}
			for i := range each {
				details["i"], nested["v"] = i, i
				l.Info(EventJobStarted, "working", details)
			}
		})
	}
	wg.Wait()
	stop(t, l)
	lines := readAll(t, path)
	wantGapless(t, lines, 1, workers*each)
	next := map[float64]float64{}
	for _, ln := range lines {
		w, i := ln.Details["worker"].(float64), ln.Details["i"].(float64)
		if i != next[w] || ln.Details["nested"].(map[string]any)["v"] != i {
			t.Fatalf("worker %v: got %v, want %v, in its order", w, ln.Details, next[w])
		}
		next[w]++
	}
	wantBalanced(t, l.Stats())
}

func TestVerbosePrintsOneLine(t *testing.T) {
	var out bytes.Buffer
	l := open(t, logPath(t), func(c *LoggerConfig) { c.Verbose, c.Logger = true, textLogger(&out) })
	l.Start()
	l.JobFailed("job-1", errors.New("clone https://bob:hunter2@example.com/x:\nexit 128"), map[string]any{"password": "hunter2"})
	stop(t, l)
	got := out.String()
	if strings.Count(got, "\n") != 1 || strings.Contains(got, "hunter2") ||
		!strings.Contains(got, "level=ERROR msg=\"Job failed\" event=job_failed") || !strings.Contains(got, "job_id=job-1") {
		t.Errorf("printed %q", got)
	}
}

// blockedWriter takes nothing until it is released, as a terminal on hold.
type blockedWriter chan struct{}

func (w blockedWriter) Write(p []byte) (int, error) { <-w; return len(p), nil }

func TestABlockedTerminalHoldsUpNothing(t *testing.T) {
	path := logPath(t)
	w := make(blockedWriter)
	l := open(t, path, func(c *LoggerConfig) { c.Verbose, c.Logger = true, textLogger(w) })
	l.Start()
	const n = 1000
	for i := range n {
		l.Log(info(i))
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	wantGapless(t, readAll(t, path), 1, n)
	close(w)
	stop(t, l)
}

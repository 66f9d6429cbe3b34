package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/audit/auditlog"
)

func TestTheRedactorHasTheLastWord(t *testing.T) {
	path := logPath(t)
	var out bytes.Buffer
	l := open(t, path, func(c *LoggerConfig) {
		c.Verbose, c.Logger = true, textLogger(&out)
		c.Redactor = func(key, value string) string {
			if key == "boom" {
				panic(value)
			}
			if key == "host" {
				return "H"
			}
			return strings.ReplaceAll(value, "alice", "A")
		}
	})
	e := Event{Type: EventJobFailed, Message: "for alice", Error: "no alice",
		Details: map[string]any{"host": "vault-7", "boom": "alice", "list": []string{"alice"}, "m": map[string]string{"x": "alice"}}}
	if err := l.Log(e); err != nil {
		t.Fatal(err)
	}
	stop(t, l)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if all := string(b) + out.String(); strings.Contains(all, "alice") || strings.Contains(all, "vault-7") || !strings.Contains(all, redactorPanicked) || !strings.Contains(all, "for A") {
		t.Errorf("%s", all)
	}
}

func TestANearlyFullDiskSparesWhatMatters(t *testing.T) {
	path := logPath(t)
	synctest.Test(t, func(t *testing.T) {
		l := open(t, path, func(c *LoggerConfig) { c.MinFreeMB = 64 })
		var free atomic.Int64
		free.Store(1 << 30)
		l.io.free = func(string) (int64, int64, error) { return free.Load(), 1 << 40, nil }
		l.Start()
		log := func(e Event) error {
			err := l.Log(e)
			time.Sleep(spaceInterval)
			synctest.Wait()
			return err
		}
		for _, err := range []error{log(info(1)), func() error { free.Store(20 << 20); return log(info(2)) }(), log(info(3))} {
			if err != nil {
				t.Error(err)
			}
		}
		free.Store(1 << 20)
		_ = log(Event{Type: EventJobFailed, Severity: SeverityError}) // after which the log knows
		if err := log(info(4)); !errors.Is(err, ErrDropped) {
			t.Errorf("an INFO event with 1 MiB left: %v", err)
		}
		if err := log(Event{Type: EventJobFailed, Severity: SeverityError}); err != nil {
			t.Errorf("an ERROR event: %v", err)
		}
		free.Store(1 << 30)
		time.Sleep(2 * spaceInterval)
		synctest.Wait()
		if err := log(info(5)); err != nil {
			t.Errorf("with room again: %v", err)
		}
		stop(t, l)
		wantBalanced(t, l.Stats())
	})
	rep := wantVerdict(t, path, auditlog.Intact)
	var warned int
	for _, ln := range readAll(t, path) {
		if ln.Type == EventAuditError && strings.Contains(ln.Message, "nearly full") {
			warned++
		}
	}
	if rep.Dropped != 1 || warned != 1 {
		t.Errorf("%d dropped, warned %d times: %v", rep.Dropped, warned, rep.Findings)
	}
}

// What was in memory when the process died on a full disk is said by the next run.
func TestALossBeforeTheEndIsToldByTheNextRun(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	if err := l.Log(Event{Type: EventAgentStart}); err != nil {
		t.Fatal(err)
	}
	disk := &fullAfter{}
	l.io.file.put = disk.put
	for i := range 10 {
		if err := l.Log(info(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Stop(); err == nil {
		t.Error("Stop says nothing of ten lost events")
	}
	l = open(t, path, nil)
	stop(t, l)
	rep := wantVerdict(t, path, auditlog.Intact)
	if rep.Dropped != 10 {
		t.Errorf("the next run says %d are lost, want 10: %v", rep.Dropped, rep.Findings)
	}
}

func TestLogSaysWhatBecameOfAnEvent(t *testing.T) {
	for _, closed := range []bool{false, true} {
		var out bytes.Buffer
		l := open(t, logPath(t), func(c *LoggerConfig) { c.FailClosed, c.Logger = closed, textLogger(&out) })
		if err := errors.Join(l.Log(info(1)), l.Err()); err != nil {
			t.Error(err)
		}
		disk := &fullAfter{}
		l.io.file.put = disk.put
		for range 30 {
			if err := l.Log(Event{Type: EventAuthFailed, Message: "who was it"}); !errors.Is(err, ErrNotDurable) || !strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
				t.Errorf("a critical event on a full disk: %v", err)
			}
		}
		if n := strings.Count(out.String(), "who was it"); n != urgentCopies {
			t.Errorf("%d copies on the console, want %d", n, urgentCopies)
		}
		if err := l.Log(info(2)); errors.Is(err, ErrNotDurable) != closed || errors.Is(l.Err(), ErrNotDurable) != closed {
			t.Errorf("FailClosed %v: Log %v, Err %v", closed, err, l.Err())
		}
		disk.left.Store(-1)
		if err := errors.Join(l.Flush(), l.Err(), l.Log(info(3))); err != nil {
			t.Errorf("once the disk is back: %v", err)
		}
		stop(t, l)
		if err := l.Log(info(4)); !errors.Is(err, ErrStopped) {
			t.Errorf("after Stop: %v", err)
		}
		wantVerdict(t, l.cfg.LogFile, auditlog.Intact)
	}
}

func TestRecordNeverWaits(t *testing.T) {
	path := logPath(t)
	synctest.Test(t, func(t *testing.T) {
		l := open(t, path, func(c *LoggerConfig) { c.SpoolBytes = 4 * MaxLineBytes })
		release := make(chan struct{})
		l.io.file.put = func(f *os.File, b []byte) (int, error) {
			<-release
			return f.Write(b)
		}
		l.Start()
		begin := time.Now()
		for i := range 2000 {
			l.Record(info(i))
			l.Record(Event{Type: EventAuthFailed})
		}
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("Record waited %v for a disk that hangs", waited)
		}
		close(release)
		stop(t, l)
		wantBalanced(t, l.Stats())
	})
	if rep := wantVerdict(t, path, auditlog.Intact); rep.Dropped == 0 || rep.Events == 0 {
		t.Errorf("%+v", rep)
	}
}

func TestOwnTypesCannotBeForged(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	e := Event{Type: EventAuditDropped, Details: map[string]any{"events": 5, "first_seq": 1, "last_seq": 5}}
	if err := l.Log(e); err != nil {
		t.Fatal(err)
	}
	stop(t, l)
	if lines := readAll(t, path); lines[0].Type != "foreign_audit_dropped" || wantVerdict(t, path, auditlog.Intact).Dropped != 0 {
		t.Errorf("%s", lines[0].raw)
	}
}

func TestCorrelationAndOriginalSize(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	l.WithContext(WithCorrelationID(t.Context(), "trace-1"), "j", "").Info(EventScanStarted, strings.Repeat("x", 10_000), nil)
	stop(t, l)
	var got struct {
		CorrelationID string `json:"correlation_id"`
		Truncated     bool
		OrigBytes     int `json:"orig_bytes"`
	}
	if err := json.Unmarshal([]byte(readAll(t, path)[0].raw), &got); err != nil {
		t.Fatal(err)
	}
	if got.CorrelationID != "trace-1" || !got.Truncated || got.OrigBytes < 10_000 || got.OrigBytes > 11_000 {
		t.Errorf("%+v", got)
	}
}

// A process that dies after it dropped events and before it said so leaves a gap; the next run explains it.
func TestAGapOfARunThatDiedIsExplainedByTheNext(t *testing.T) {
	path, crashed := logPath(t), logPath(t)
	l := open(t, path, func(c *LoggerConfig) { c.MinFreeMB = 0 })
	l.io.free = func(string) (int64, int64, error) { return 1 << 20, 1 << 40, nil }
	if err := l.Log(Event{Type: EventAuthFailed}); err != nil { // after which the log knows how full the disk is
		t.Fatal(err)
	}
	for range 3 {
		if err := l.Log(info(1)); !errors.Is(err, ErrDropped) {
			t.Fatal(err)
		}
	}
	if err := l.Log(Event{Type: EventAuthFailed}); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Dir(crashed), os.DirFS(filepath.Dir(path))); err != nil { // what a kill leaves
		t.Fatal(err)
	}
	if rep := wantVerdict(t, crashed, auditlog.Missing); rep.Findings[0].First != 3 && rep.Findings[0].First != 2 {
		t.Errorf("%v", rep.Findings)
	}
	stop(t, open(t, crashed, nil))
	if rep := wantVerdict(t, crashed, auditlog.Intact); rep.Dropped != 3 {
		t.Errorf("%v", rep.Findings)
	}
}

package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/audit/auditlog"
)

// fullAfter makes the disk take n more bytes, and then a part of a write and an error, until it is reset to -1.
type fullAfter struct{ left atomic.Int64 }

func (d *fullAfter) put(f *os.File, b []byte) (int, error) {
	left := d.left.Load()
	if left < 0 || int64(len(b)) <= left {
		if left >= 0 {
			d.left.Add(-int64(len(b)))
		}
		return f.Write(b)
	}
	d.left.Store(0)
	n, err := f.Write(b[:left])
	return n, errors.Join(err, &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC})
}

func TestAFullDisk(t *testing.T) {
	path := logPath(t)
	synctest.Test(t, func(t *testing.T) {
		l := open(t, path, func(c *LoggerConfig) { c.SpoolBytes = 4 * MaxLineBytes })
		disk := &fullAfter{}
		l.io.file.put = disk.put
		disk.left.Store(1000)
		l.Start()
		const n = 2000
		for i := range n {
			l.Log(info(i))
			synctest.Wait()
		}
		begin := time.Now()
		l.Log(Event{Type: EventAuthFailed, Message: "kept: the last quarter of the spool is for these"})
		if time.Since(begin) != 0 {
			t.Errorf("a critical event waited %v for a disk that is known to fail", time.Since(begin))
		}
		synctest.Wait()
		s := l.Stats()
		wantBalanced(t, s)
		if !s.Failing || !strings.Contains(s.LastError, syscall.ENOSPC.Error()) || s.NotDurable != 1 ||
			s.Queued == 0 || s.Dropped == 0 || s.DroppedByType[EventJobStarted] != s.Dropped {
			t.Errorf("on a full disk: %+v", s)
		}
		if err := l.Flush(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Flush: %v", err)
		}
		wantGapless(t, readAll(t, path), 1, s.Written) // whole lines only

		disk.left.Store(-1)
		time.Sleep(writePauses.Max)
		synctest.Wait()
		after := l.Stats()
		wantBalanced(t, after)
		if after.Failing || after.Queued != 0 || after.Dropped != s.Dropped {
			t.Errorf("after recovery: %+v", after)
		}
		stop(t, l)
		rep := wantVerdict(t, path, auditlog.Intact)
		if rep.Dropped != s.Dropped || len(rep.Findings) != 1 || rep.Findings[0].Kind != auditlog.KindDropped || rep.Events+s.Dropped != after.LastSeq {
			t.Errorf("%d dropped, of %d; the report says %+v", s.Dropped, after.LastSeq, rep)
		}
		lines := readAll(t, path)
		var drops []line
		for _, ln := range lines {
			if ln.Type == EventAuditDropped {
				drops = append(drops, ln)
			}
		}
		if len(drops) != 1 || drops[0].Details["events"] != float64(s.Dropped) ||
			fmt.Sprint(drops[0].Details["types"]) != fmt.Sprintf("map[job_started:%d]", s.Dropped) {
			t.Errorf("%d dropped, the log says %+v", s.Dropped, drops)
		}
		if !slices.ContainsFunc(lines, func(l line) bool { return l.Type == EventAuthFailed }) {
			t.Error("the critical event is not in the log")
		}
	})
}

func TestStopOnAFullDiskSaysWhatIsLost(t *testing.T) {
	l := open(t, logPath(t), nil)
	disk := &fullAfter{}
	l.io.file.put = disk.put
	l.Start()
	for i := range 10 {
		l.Log(info(i))
	}
	err := l.Stop()
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "10 events are lost") {
		t.Errorf("Stop: %v", err)
	}
	s := l.Stats()
	wantBalanced(t, s)
	if s.DroppedByType[EventJobStarted] != 10 || s.Queued != 0 {
		t.Errorf("%+v", s)
	}
	if again := l.Stop(); again != err {
		t.Errorf("the second Stop says %v", again)
	}
}

// Each write fails at another place, with part of it done.
func TestNoWriteErrorTearsALine(t *testing.T) {
	for cut := int64(0); cut < 300; cut += 7 {
		path := logPath(t)
		l := open(t, path, nil)
		disk := &fullAfter{}
		l.io.file.put = disk.put
		disk.left.Store(cut)
		l.Log(info(1))
		disk.left.Store(-1)
		l.Log(info(2))
		stop(t, l)
		lines := readAll(t, path)
		wantGapless(t, lines, 1, uint64(len(lines)))
		if len(lines) < 2 || lines[0].JobID != "job-1" || lines[1].JobID != "job-2" {
			t.Fatalf("cut at %d: %v", cut, lines)
		}
	}
}

// A failed fsync means lost pages: the lines go into a fresh file, and nothing counts as synced that is not.
func TestAFailedSyncMovesTheLines(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	fail := true
	l.io.file.fsync = func(f *os.File) error {
		if fail {
			return syscall.EIO
		}
		return f.Sync()
	}
	l.Log(info(1))
	if err := l.Flush(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Flush: %v", err)
	}
	s := l.Stats()
	wantBalanced(t, s)
	if s.Written != 0 || s.Queued != 1 || s.Synced != 0 {
		t.Errorf("after the failed sync: %+v", s)
	}
	fail = false
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	stop(t, l)
	if s := l.Stats(); s.Rotations != 1 || s.Synced != s.Written {
		t.Errorf("%+v", s)
	}
	lines := readAll(t, path)
	wantGapless(t, lines, 1, 2)
	if lines[1].Type != EventAuditError || !strings.Contains(lines[1].Error, syscall.EIO.Error()) {
		t.Errorf("the log says %s", lines[1].raw)
	}
}

// A disk that hangs makes one caller wait for SyncTimeout and no other, and Stop for its own.
func TestADiskThatHangsDoesNotHangTheAgent(t *testing.T) {
	path := logPath(t)
	synctest.Test(t, func(t *testing.T) {
		l := open(t, path, func(c *LoggerConfig) { c.SyncTimeout = 0 })
		release := make(chan struct{})
		l.io.file.put = func(f *os.File, b []byte) (int, error) {
			<-release
			return f.Write(b)
		}
		l.Start()
		begin := time.Now()
		l.Log(Event{Type: EventAgentStart})
		if waited := time.Since(begin); waited != DefaultSyncTimeout {
			t.Errorf("the first critical event waited %v", waited)
		}
		begin = time.Now()
		for range 5 {
			l.Log(Event{Type: EventAuthFailed})
		}
		for i := range 40_000 {
			l.Log(info(i))
		}
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("the next ones waited %v", waited)
		}
		s := l.Stats()
		wantBalanced(t, s)
		if s.NotDurable != 6 || s.Dropped == 0 {
			t.Errorf("%+v", s)
		}
		begin = time.Now()
		if err := l.Stop(); err == nil || time.Since(begin) != stopTimeout {
			t.Errorf("Stop: %v after %v", err, time.Since(begin))
		}
		close(release)
		synctest.Wait()
		if err := l.Stop(); err != nil {
			t.Errorf("Stop once the disk is back: %v", err)
		}
	})
}

func TestAContextEndsTheWaitNotTheEvent(t *testing.T) {
	path := logPath(t)
	synctest.Test(t, func(t *testing.T) {
		l := open(t, path, nil)
		release := make(chan struct{})
		l.io.file.put = func(f *os.File, b []byte) (int, error) {
			<-release
			return f.Write(b)
		}
		l.Start()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		l.WithContext(ctx, "job-1", "").Info(EventAuthFailed, "x", nil)
		if time.Since(begin) != time.Second {
			t.Errorf("waited %v, want its context's second", time.Since(begin))
		}
		close(release)
		stop(t, l)
		wantGapless(t, readAll(t, path), 1, 1)
	})
}

func TestALogRemovedOrMovedIsMadeAnew(t *testing.T) {
	for _, how := range []func(string) error{
		os.Remove,
		func(p string) error { return os.Rename(p, strings.TrimSuffix(p, ".log")+"-moved.log") },
		func(p string) error { return os.RemoveAll(filepath.Dir(p)) },
	} {
		path := logPath(t)
		l := open(t, path, nil)
		l.Start()
		l.Log(Event{Type: EventAgentStart})
		if err := how(path); err != nil {
			t.Skip(err) // an open file on Windows
		}
		l.Log(Event{Type: EventAuthFailed})
		stop(t, l)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), `"type":"auth_failed"`) || !strings.Contains(string(b), `"type":"audit_recovered","severity":"CRITICAL"`) {
			t.Errorf("the new file holds %q", b)
		}
	}
}

func TestALogCutByOthersIsTold(t *testing.T) {
	path := logPath(t)
	l := open(t, path, func(c *LoggerConfig) { c.FlushInterval = -1 })
	l.Log(info(1))
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	l.Log(info(2))
	stop(t, l)
	lines := readAll(t, path)
	wantGapless(t, lines, 1, 3) // line 1 was not synced, so it was still in memory
	if lines[2].Type != EventAuditRecovered || lines[2].Details["lost_bytes"] == nil {
		t.Errorf("the log says %s", lines[2].raw)
	}
	wantVerdict(t, path, auditlog.Intact)
}

func TestHalfALineAtTheEndIsCutAndTold(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	l.Log(info(1))
	stop(t, l)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, `{"timestamp":"2024`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, path, nil)
	l.Log(info(2))
	stop(t, l)
	lines := readAll(t, path)
	wantGapless(t, lines, 1, 3)
	if !slices.ContainsFunc(lines, func(l line) bool {
		return l.Type == EventAuditRecovered && l.Details["torn_bytes"] == 18.0 && l.Details["last_seq"] == 1.0
	}) {
		t.Errorf("the log does not say that half a line was cut: %v", lines)
	}
}

package audit

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

func rotated(t testing.TB, path string) []string {
	t.Helper()
	files, err := filepath.Glob(strings.TrimSuffix(path, ".log") + "-*.log")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestRotationFlatOutLosesNothing(t *testing.T) {
	const workers, each = 4, 2_000
	path := logPath(t)
	l := open(t, path, func(c *LoggerConfig) { c.MaxSizeMB = 1 })
	l.Start()
	pad := strings.Repeat("x", 1000)
	done := make(chan struct{})
	for range workers {
		go func() {
			for i := range each {
				e := info(i)
				e.Message = pad
				l.Log(e)
			}
			done <- struct{}{}
		}()
	}
	for range workers {
		<-done
	}
	stop(t, l)
	wantGapless(t, readAll(t, path), 1, workers*each)
	s := l.Stats()
	wantBalanced(t, s)
	if files := rotated(t, path); s.Rotations < 5 || uint64(len(files)) != s.Rotations {
		t.Errorf("%d rotations, %d rotated files", s.Rotations, len(files))
	}
	for _, f := range rotated(t, path) {
		if fi, err := os.Stat(f); err != nil || fi.Size() > 1<<20 || fi.Size() < 1<<20-MaxLineBytes {
			t.Errorf("%s: %v bytes, %v; want almost 1 MiB", filepath.Base(f), fi.Size(), err)
		}
	}
}

// Rotations faster than the names differ, which have milliseconds.
func TestRotationsOfOneMillisecondLoseNothing(t *testing.T) {
	const n = 60
	path := logPath(t)
	l := open(t, path, nil)
	l.io.file.max = 100 // less than a line
	for i := range n {
		l.Log(info(i))
	}
	stop(t, l)
	wantGapless(t, readAll(t, path), 1, n)
	if files := rotated(t, path); len(files) != n-1 {
		t.Errorf("%d rotated files, want %d", len(files), n-1)
	}
}

func TestAClockThatGoesBackLosesNothing(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	lf := l.io.file
	lf.max = 100
	for i := range 3 {
		l.Log(info(i))
	}
	now := time.Now()
	lf.now = func() time.Time { return now }
	taken := now.UTC().Add(200 * time.Millisecond) // a file of the future, as after a step back
	future := strings.TrimSuffix(path, ".log") + "-" + taken.Format(logfile.StampFormat) + ".log"
	if err := os.Rename(rotated(t, path)[0], future); err != nil {
		t.Fatal(err)
	}
	l.Log(info(3))
	if !lf.retryRotate.After(now) {
		t.Error("it rotated although a name just ahead is taken")
	}
	stop(t, l)
	lines := readAll(t, path)
	wantGapless(t, lines, 1, 5)
	if last := lines[4]; last.Type != EventAuditError || !strings.Contains(last.Error, "clock") {
		t.Errorf("the last line does not say why: %s", last.raw)
	}
}

func TestARotationThatFailsIsToldAndTriedAgain(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	l.io.file.max = 1000
	thaw := freeze(t, filepath.Dir(path))
	for i := range 20 {
		l.Log(info(i))
	}
	if n := len(rotated(t, path)); n != 0 {
		t.Fatalf("%d files in a directory that takes none", n)
	}
	thaw()
	l.io.file.retryRotate = time.Time{}
	for i := range 20 {
		l.Log(info(i))
	}
	stop(t, l)
	lines := readAll(t, path)
	var told int
	for _, ln := range lines {
		if ln.Type == EventAuditError && ln.Error != "" && ln.Details["bytes"] != nil {
			told++
		}
	}
	if told != 1 || len(rotated(t, path)) < 2 {
		t.Errorf("told %d times, want once; %d rotated files", told, len(rotated(t, path)))
	}
	wantGapless(t, lines, 1, 41)
}

// freeze makes renaming in dir fail until the returned func is called.
func freeze(t *testing.T, dir string) (thaw func()) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("directories have no such mode")
	}
	set := func(attr string, mode os.FileMode) error {
		if os.Geteuid() == 0 { // whom a mode does not stop
			return exec.Command("chattr", attr, dir).Run()
		}
		return os.Chmod(dir, mode)
	}
	if err := set("+i", 0o500); err != nil {
		t.Skipf("cannot make a directory immutable: %v", err)
	}
	thawed := false
	thaw = func() {
		if !thawed {
			thawed = true
			if err := set("-i", 0o700); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(thaw)
	return thaw
}

func TestRetention(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	l.io.file.max = 100
	for i := range 5 {
		l.Log(info(i))
	}
	stop(t, l)
	files := rotated(t, path)
	dir, old := filepath.Dir(path), time.Now().Add(-31*24*time.Hour).UTC()
	stamped := filepath.Join(dir, "audit-"+old.Format(logfile.StampFormat)+".log")
	touched := filepath.Join(dir, "audit-"+old.Add(time.Hour).Format(logfile.StampFormat)+".log")
	foreign := filepath.Join(dir, "audit-notes.log")
	for _, err := range []error{os.Rename(files[0], stamped), os.Rename(files[1], touched), os.WriteFile(foreign, nil, 0o600),
		os.Chtimes(stamped, old, old), os.Chtimes(foreign, old, old), os.Chtimes(files[2], old, old)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l = open(t, path, func(c *LoggerConfig) { c.MaxAgeDays = 30 })
	l.Start()
	testkit.Eventually(t, "the old file is deleted", func() bool {
		_, err := os.Stat(stamped)
		return os.IsNotExist(err)
	})
	stop(t, l)
	for _, keep := range []string{touched, foreign, files[2], files[3]} { // only name and time together make a file old
		if _, err := os.Stat(keep); err != nil {
			t.Errorf("deleted too: %v", err)
		}
	}
	lines := readAll(t, path)
	last := lines[len(lines)-1]
	if last.Type != EventAuditPruned || last.Details["file"] != filepath.Base(stamped) || last.Details["last_seq"] != 1.0 {
		t.Errorf("the log says %s", last.raw)
	}
	wantGapless(t, lines, 2, 6) // seq 1 went with the file, and the last line says so
}

func TestRetentionRunsEveryHourAndCanBeOff(t *testing.T) {
	for _, days := range []int{30, -1} {
		path := logPath(t)
		synctest.Test(t, func(t *testing.T) {
			l := open(t, path, func(c *LoggerConfig) { c.MaxAgeDays = days })
			l.Start()
			synctest.Wait()
			old := time.Now().Add(-31 * 24 * time.Hour).UTC()
			f := filepath.Join(filepath.Dir(path), "audit-"+old.Format(logfile.StampFormat)+".log")
			if err := os.WriteFile(f, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(f, old, old); err != nil {
				t.Fatal(err)
			}
			time.Sleep(sweepInterval + time.Second)
			synctest.Wait()
			if _, err := os.Stat(f); os.IsNotExist(err) != (days > 0) {
				t.Errorf("MaxAgeDays %d: %v", days, err)
			}
			stop(t, l)
		})
	}
}

func TestStartFindsTheNumberInARotatedFile(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	for i := range 3 {
		l.Log(info(i))
	}
	stop(t, l)
	if err := os.Rename(path, strings.TrimSuffix(path, ".log")+"-2024-01-15T10-30-00.000.log"); err != nil {
		t.Fatal(err)
	}
	l = open(t, path, nil)
	l.Log(info(3))
	stop(t, l)
	wantGapless(t, readAll(t, path), 1, 4)
}

func FuzzWholeLines(f *testing.F) {
	f.Add([]byte("{\"a\":1,\"seq\":3}\n{\"a\""))
	f.Add([]byte("\n\n\x00\x00"))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0}, 3*MaxLineBytes))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := wholeLines(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 && b[n-1] != '\n' || bytes.Contains(b[n:], []byte("\n")) {
			t.Fatalf("%q is cut to %q", b, b[:n])
		}
	})
}

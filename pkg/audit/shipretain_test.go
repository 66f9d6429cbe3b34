package audit

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/audit/auditlog"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// unsentLog writes a log of some files of a MiB, more than MaxBackups, to path.
func unsentLog(t *testing.T, c *collector, path string, unsentMB int) *Logger {
	t.Helper()
	l := hurry(open(t, path, shipTo(c, func(cfg *LoggerConfig) { cfg.MaxSizeMB, cfg.MaxBackups, cfg.MaxUnsentMB = 1, 1, unsentMB })))
	l.Start()
	pad := strings.Repeat("x", 4000)
	for range 1500 { // some six files
		l.Log(Event{Type: EventScanStarted, Message: pad})
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	return l
}

// tidied returns when the log has looked for files to delete.
func tidied(l *Logger) {
	for range 3 { // one in work, one waiting: the third is taken when a look that began now has ended
		l.rotated <- struct{}{}
	}
}

func away(w http.ResponseWriter, r *http.Request, c *collector) bool {
	w.WriteHeader(503)
	return true
}

func TestFilesAreKeptUntilTheyAreSent(t *testing.T) {
	c := newCollector(t)
	c.answer = away
	path := logPath(t)
	l := unsentLog(t, c, path, -1)
	tidied(l)
	files := rotations(t, path)
	if len(files) < 5 {
		t.Fatalf("%d rotated files", len(files))
	}
	c.set(nil)
	testkit.Eventually(t, "all is sent", func() bool { return l.Stats().Remote.LagLines == 0 })
	c.wantAll(path)
	tidied(l)
	if left := rotations(t, path); len(left) != 1 {
		t.Errorf("%d of %d files are left", len(left), len(files))
	}
	stop(t, l)
	wantVerdict(t, path, auditlog.Intact)
	for _, e := range ofType(readAll(t, path), EventAuditPruned) {
		if e.Severity != SeverityInfo || e.Details["unsent_last_seq"] != nil {
			t.Errorf("a file that was sent is told as lost: %+v", e)
		}
	}
}

func TestUnsentFilesPastTheCapGoAndAreTold(t *testing.T) {
	c := newCollector(t)
	c.answer = away
	path := logPath(t)
	l := unsentLog(t, c, path, 2)
	tidied(l)
	files := rotations(t, path)
	if len(files) < 2 || len(files) > 4 { // those within 2 MiB, the one of MaxBackups, and one of the sweep's own
		t.Errorf("%d rotated files are left", len(files))
	}
	c.set(nil)
	testkit.Eventually(t, "all is sent", func() bool { return l.Stats().Remote.LagLines == 0 })
	stop(t, l)
	wantVerdict(t, path, auditlog.Intact)
	all := readAll(t, path)
	var lost []line
	for _, e := range ofType(all, EventAuditPruned) {
		if e.Severity == SeverityCritical && e.Details["unsent_first_seq"] != nil {
			lost = append(lost, e)
		}
	}
	if len(lost) == 0 { // the first one may be told of in a file that went, too
		t.Fatal("nobody was told")
	}
	next := lost[0].Details["unsent_first_seq"]
	for _, e := range lost {
		if e.Details["unsent_first_seq"] != next || e.Details["unsent_last_seq"].(float64) >= float64(all[0].Seq) {
			t.Errorf("told of %v to %v after %v, gone are the lines before %d", e.Details["unsent_first_seq"], e.Details["unsent_last_seq"], next, all[0].Seq)
		}
		next = e.Details["unsent_last_seq"].(float64) + 1
	}
	c.lines = c.lines[max(0, len(c.lines)-len(all)):] // before them may be lines of the file that was open when it was deleted
	c.wantAll(path)                                   // what is left, and the lines that say so
}

func rotations(t *testing.T, path string) []logfile.Segment {
	t.Helper()
	files, err := logfile.RotatedFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Someone who replaces the log cannot do so behind the back of the collector.
func TestAReplacedLogIsNoticed(t *testing.T) {
	for name, replace := range map[string]func(path string) error{
		"all of it":             func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"all but the cursor":    func(path string) error { return removeAll(path, path+logfile.HeadSuffix) },
		"a shorter one":         func(path string) error { return cutLines(path, 20) },
		"one that grew further": func(path string) error { return cutLines(path, 45) },
	} {
		f := newFlaky(t)
		path := logPath(t)
		l := shippingTo(t, path, "http://"+f.addr)
		for i := range 50 {
			l.Log(info(i))
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "all is sent", func() bool { return l.Stats().Remote.AckedSeq == 50 })
		stop(t, l)
		if err := replace(path); err != nil {
			t.Fatal(name, err)
		}
		l = shippingTo(t, path, "http://"+f.addr)
		for i := range 10 {
			l.Log(info(1000 + i))
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, name+" is told", func() bool { return strings.Contains(l.Stats().Remote.LastError, "409") })
		stop(t, l)
		if told := ofType(readAll(t, path), EventAuditError); len(told) != 1 || told[0].Severity != SeverityCritical {
			t.Errorf("%s: told %+v", name, told)
		}
		if head, err := f.store.Tenant("a").AuditHead(t.Context(), "agent-001"); err != nil || head.Seq != 50 {
			t.Errorf("%s: the server has %+v, %v", name, head, err)
		}
	}
}

func removeAll(paths ...string) error {
	for _, p := range paths {
		if err := os.Remove(p); err != nil {
			return err
		}
	}
	return nil
}

// cutLines leaves the first n lines after the header, and hides that there were more.
func cutLines(path string, n int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(b), "\n")
	return errors.Join(os.WriteFile(path, []byte(strings.Join(lines[:n+1], "")), 0o600), os.Remove(path+logfile.HeadSuffix))
}

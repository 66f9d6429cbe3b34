package audit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/audit/internal/ship"
)

// writeFiles writes files of some 250 lines each to the log at path, and returns the rotated ones.
func writeFiles(t *testing.T, path string, compress bool) []logfile.Segment {
	t.Helper()
	l := open(t, path, func(cfg *LoggerConfig) { cfg.MaxSizeMB, cfg.Compress = 1, compress })
	l.Start()
	pad := strings.Repeat("x", 4000)
	for range 1000 {
		l.Log(Event{Type: EventScanStarted, Message: pad})
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the files are compressed", func() bool {
		for _, f := range rotations(t, path) {
			if f.Compressed != compress {
				return false
			}
		}
		return true
	})
	stop(t, l)
	return rotations(t, path)
}

// send sends all there is of the log at path.
func (f *flaky) send(path string) RemoteStats {
	f.t.Helper()
	l := shippingTo(f.t, path, "http://"+f.addr)
	testkit.Eventually(f.t, "all is sent", func() bool { return l.Stats().Remote.LagLines == 0 })
	stop(f.t, l)
	return l.Stats().Remote
}

func TestACollectorWithoutItsStoreGetsAllAgain(t *testing.T) {
	f := newFlaky(t)
	path := logPath(t)
	writeFiles(t, path, true)
	f.send(path)
	f.wantAll(path)
	f.stop()
	if err := os.RemoveAll(f.dir); err != nil {
		t.Fatal(err)
	}
	f.start()
	l := shippingTo(t, path, "http://"+f.addr)
	l.Log(info(1)) // what is sent next shows it
	stop(t, l)
	f.send(path)
	f.wantAll(path)
}

// A file that is gone is a gap at the collector, whatever the agent forgot, and is filled when it comes back.
func TestAGapIsFilledWhenTheFileComesBack(t *testing.T) {
	f := newFlaky(t)
	path := logPath(t)
	l := shippingTo(t, path, "http://"+f.addr)
	for i := range 50 {
		l.Log(info(i))
	}
	stop(t, l)
	f.send(path)
	files := writeFiles(t, path, false)
	aside := filepath.Join(t.TempDir(), "aside")
	for i, step := range []func() error{
		func() error { return os.Rename(files[0].Path, aside) },
		func() error { return os.Rename(aside, files[0].Path) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path + ship.SentSuffix); err != nil {
			t.Fatal(err)
		}
		f.send(path)
		head, err := f.store.Tenant("a").AuditHead(t.Context(), "agent-001")
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 && (head.Breaks != 1 || uint64(head.Lines) == head.Seq) {
			t.Errorf("without the file: %+v", head)
		}
	}
	f.wantAll(path)
}

func TestABrokenFileIsToldAndPassed(t *testing.T) {
	f := newFlaky(t)
	path := logPath(t)
	files := writeFiles(t, path, true)
	if err := os.Truncate(files[1].Path, 3000); err != nil {
		t.Fatal(err)
	}
	f.send(path)
	head, err := f.store.Tenant("a").AuditHead(t.Context(), "agent-001")
	if err != nil || head.Breaks != 1 || uint64(head.Lines) >= head.Seq || uint64(head.Lines) < head.Seq/2 {
		t.Errorf("%+v %v", head, err)
	}
	l := open(t, path, nil)
	stop(t, l)
	b, err := os.ReadFile(path)
	if err != nil || strings.Count(string(b), "cannot be read") != 1 {
		t.Errorf("told %d times, %v", strings.Count(string(b), "cannot be read"), err)
	}
}

// The reader or its cursor may be past the end of a file that was cut; the lines that come there must not be missed.
func TestNoLineIsMissedBehindACutEnd(t *testing.T) {
	for _, running := range []bool{false, true} {
		for cut := range 8 {
			c := newCollector(t)
			path := logPath(t)
			l := logTo(t, c, path, 50)
			testkit.Eventually(t, "all is sent", func() bool { return c.seq() == 50 })
			if !running {
				stop(t, l)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.SplitAfter(string(b), "\n")
			if err := os.Truncate(path, int64(len(strings.Join(lines[:51-cut], "")))); err != nil {
				t.Fatal(err)
			}
			if !running {
				l = logTo(t, c, path, 0)
			}
			for i := range 10 {
				l.Log(info(50 + i))
			}
			stop(t, l)
			c.wantNumbers(l.Head().Seq)
		}
	}
}

// wantNumbers fails unless the collector has lines 1 to last.
func (c *collector) wantNumbers(last uint64) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, line := range c.lines {
		if end, _ := logfile.ParseEnd(line); end.Seq != uint64(i+1) {
			c.t.Fatalf("line %d is %d", i+1, end.Seq)
		}
	}
	if c.last != last {
		c.t.Fatalf("sent up to %d of %d", c.last, last)
	}
}

package audit

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/audit/auditlog"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

func TestCompressedFilesAreReadAndVerified(t *testing.T) {
	path := logPath(t)
	writeLog(t, path, 40, nil)
	half := filepath.Join(filepath.Dir(path), "audit-2024-01-15T10-30-00.000.log.zst.tmp") // of a crash; no file of the log
	if err := os.WriteFile(half, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, path, func(c *LoggerConfig) { c.Compress = true })
	l.io.file.max = 4000
	l.Start()
	for i := range 40 {
		if err := l.Log(info(i)); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, "every rotated file is compressed", func() bool { return len(rotated(t, path)) == 0 })
	stop(t, l)
	rep := wantVerdict(t, path, auditlog.Intact)
	if rep.Events != 80 || len(rep.Files) < 6 || !rep.Files[0].Compressed || rep.Files[len(rep.Files)-1].Compressed {
		t.Errorf("%+v", rep)
	}
	wantGapless(t, readAll(t, path), 1, 80)

	zst := filepath.Join(filepath.Dir(path), rep.Files[1].Name)
	whole, err := os.ReadFile(zst)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(whole); i += 1 + len(whole)/40 {
		b := bytes.Clone(whole)
		b[i] ^= 1 << (i % 8)
		if err := os.WriteFile(zst, b, 0o600); err != nil {
			t.Fatal(err)
		}
		rep := verify(t, path, auditlog.VerifyOptions{})
		if same := bytes.Equal(plain(b), plain(whole)); same != (rep.Verdict < auditlog.Missing) { // some bits of a frame say nothing
			t.Errorf("byte %d of a compressed file: %v, its lines are the same: %v", i, rep.Verdict, same)
		}
	}
	if err := os.Remove(zst); err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, path, auditlog.Missing)
}

// plain returns what is in a compressed file, nil where it cannot be read to its end.
func plain(b []byte) []byte {
	r, err := codec.NewReader(codec.Zstd, bytes.NewReader(b), codec.Limits{})
	if err != nil {
		return nil
	}
	defer r.Close()
	out, err := io.ReadAll(r)
	if err != nil {
		return nil
	}
	return out
}

// Both forms of a file, as a crash leaves them, are one file.
func TestAFileInBothFormsIsReadOnce(t *testing.T) {
	path := logPath(t)
	names := writeLog(t, path, 40, nil)
	s := logfile.Segment{Path: filepath.Join(filepath.Dir(path), names[0])}
	b, err := os.ReadFile(s.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := compress(&s, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if rep := wantVerdict(t, path, auditlog.Intact); rep.Events != 40 {
		t.Errorf("%d events", rep.Events)
	}
}

func TestAReaderFollowsRotationAndCompression(t *testing.T) {
	path := logPath(t)
	l := open(t, path, nil)
	l.io.file.max = 2000
	r, err := logfile.OpenReader(path, logfile.Cursor{})
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	read := func(r *logfile.Reader) {
		for {
			raw, err := r.Next()
			if err != nil {
				return
			}
			if end, ok := logfile.ParseEnd(raw.Bytes); !ok {
				t.Fatalf("read %q", raw.Bytes)
			} else if end.Seq > 0 {
				if end.Seq != last+1 {
					t.Fatalf("%d comes after %d", end.Seq, last)
				}
				last = end.Seq
			}
		}
	}
	for i := range 60 {
		if err := l.Log(info(i)); err != nil {
			t.Fatal(err)
		}
		switch i % 7 {
		case 0, 3:
			read(r)
		case 4:
			l.compressAll()
		case 5: // another reader goes on from the first one's place
			at := r.Cursor()
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if r, err = logfile.OpenReader(path, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	read(r)
	if last != 60 {
		t.Errorf("read up to %d", last)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// Verify and readers run while the log is written, rotated, compressed and pruned.
func TestALogInUseIsNeverCalledTampered(t *testing.T) {
	path := logPath(t)
	l := open(t, path, func(c *LoggerConfig) { c.Compress, c.MaxBackups = true, 3 })
	l.io.file.max = 3000
	l.Start()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 300 {
			if err := l.Log(info(i)); err != nil {
				t.Error(err)
			}
			if i%10 == 0 {
				_ = l.Flush()
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if rep := verify(t, path, auditlog.VerifyOptions{}); rep.Verdict > auditlog.Torn && running {
			// What is deleted while Verify reads may be explained by a line that came after its end: the next look has it.
			if again := verify(t, path, auditlog.VerifyOptions{}); again.Verdict == auditlog.Tampered || rep.Verdict == auditlog.Tampered {
				t.Fatalf("%v, then %v", rep.Findings, again.Findings)
			}
		}
	}
	stop(t, l)
	wantVerdict(t, path, auditlog.Intact)
}

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/rediverio/sdk/internal/smalldisk"
	"github.com/rediverio/sdk/pkg/audit/auditlog"
)

// bareFullDisk shows what lumberjack does on it: half a line stays, and the next one is glued to it.
func bareFullDisk(t *testing.T, dir string) {
	t.Helper()
	j := &lumberjack.Logger{Filename: filepath.Join(dir, "bare.log")}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 250<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	var kept int
	for i := range 300 {
		if i == 200 {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		}
		_, _ = fmt.Fprintf(j, "%04d %s\n", i, strings.Repeat("x", 94))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(j.Filename)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		if len(line) == 100 {
			kept++
		}
	}
	if kept >= 300 {
		t.Error("lumberjack loses nothing on a full disk: this is no loss any more")
	}
	if err := os.Remove(j.Filename); err != nil {
		t.Fatal(err)
	}
}

// A real file system of 256 KiB, filled and freed. MinFreeMB is off: with it INFO events are given up before the disk is
// full, as many as come after the writer has looked.
func TestARealFullDisk(t *testing.T) {
	dir := smalldisk.Dir(t, 256<<10)
	if dir == "" {
		return
	}
	bareFullDisk(t, dir)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 200<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "audit.log")
	l := open(t, path, func(c *LoggerConfig) { c.MinFreeMB = -1 })
	t.Cleanup(func() { _ = l.Stop() }) // before the unmount
	l.Start()
	const n = 500 // some 130 KiB
	for i := range n {
		l.Log(info(i))
	}
	if err := l.Flush(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Flush on a full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	stop(t, l)
	s := l.Stats()
	wantBalanced(t, s)
	if s.Dropped != 0 || s.Written <= n {
		t.Errorf("%+v; want all %d and a line about the time without", s, n)
	}
	wantGapless(t, readAll(t, path), 1, s.Written)
	wantVerdict(t, path, auditlog.Intact)
}

package audit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/audit/auditlog"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// The ways in which lumberjack alone loses lines, each against lumberjack and against the log. A case returns how many
// of its lines are in files of the log's name afterwards; bare must lose some, ours none.
func TestWhatLumberjackLosesIsKept(t *testing.T) {
	for _, tc := range []struct {
		name string
		bare func(t *testing.T, path string, j *lumberjack.Logger) (want int)
		ours func(t *testing.T, path string, l *Logger) (want int)
	}{
		{"rotations of one millisecond", func(t *testing.T, path string, j *lumberjack.Logger) int {
			for n := 1; ; n++ { // until two rotations fall into one millisecond, which a busy machine delays
				bareLine(j, n)
				_ = j.Rotate()
				if n%50 == 0 && (count(t, path, "line") < n || n == 5000) {
					return n
				}
			}
		}, func(t *testing.T, _ string, l *Logger) int {
			l.io.file.max = 1 // a rotation after each line
			return ourLines(t, l, 60)
		}},
		{"a line over the size of a file", func(t *testing.T, _ string, j *lumberjack.Logger) int {
			j.MaxSize = 1
			_, _ = j.Write(append(bytes.Repeat([]byte("x"), 1<<20), '\n'))
			bareLine(j, 1)
			return 2
		}, func(t *testing.T, _ string, l *Logger) int {
			l.io.file.max = 100
			return ourLines(t, l, 2)
		}},
		{"a directory that takes no new name for a while", func(t *testing.T, path string, j *lumberjack.Logger) int {
			fill(t, path, j)
			thaw := freeze(t, filepath.Dir(path))
			for i := range 10 {
				bareLine(j, i)
			}
			thaw()
			return 11
		}, func(t *testing.T, path string, l *Logger) int {
			ourLines(t, l, 1)
			thaw := freeze(t, filepath.Dir(path))
			l.io.file.max = 100
			ourLines(t, l, 10)
			thaw()
			return 11
		}},
		{"the file is removed", func(t *testing.T, path string, j *lumberjack.Logger) int {
			bareLine(j, 0)
			remove(t, path)
			for i := range 10 {
				bareLine(j, i)
			}
			return 11
		}, func(t *testing.T, path string, l *Logger) int {
			ourLines(t, l, 1)
			remove(t, path)
			return 1 + ourLines(t, l, 10) // even the one that was in the file, for it was not synced
		}},
		{"the file is truncated", func(t *testing.T, path string, j *lumberjack.Logger) int {
			bareLine(j, 0)
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
			for i := range 10 {
				bareLine(j, i)
			}
			return 11
		}, func(t *testing.T, path string, l *Logger) int {
			ourLines(t, l, 1)
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
			return 1 + ourLines(t, l, 10)
		}},
		{"a second writer", func(t *testing.T, path string, j *lumberjack.Logger) int {
			other := &lumberjack.Logger{Filename: path}
			for i := range 10 {
				bareLine(j, i)
				bareLine(other, i)
			}
			_ = other.Close()
			return 20
		}, func(t *testing.T, path string, l *Logger) int {
			if _, err := NewLogger(&LoggerConfig{LogFile: path}); err == nil {
				t.Error("a second writer was let in")
			}
			return ourLines(t, l, 20)
		}},
		{"the clock goes back, with a bound on the number of files", func(t *testing.T, path string, j *lumberjack.Logger) int {
			j.MaxBackups = 1
			future := strings.TrimSuffix(path, ".log") + "-" + time.Now().UTC().Add(time.Hour).Format(logfile.StampFormat) + ".log"
			if err := os.WriteFile(future, []byte("an older line\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			bareLine(j, 1)
			_ = j.Rotate() // deletes the file it made, for its name is the older one
			testkit.Eventually(t, "a file is deleted", func() bool { return len(rotated(t, path)) == 1 })
			return 2
		}, func(t *testing.T, path string, l *Logger) int {
			l.cfg.MaxBackups = -1 // by age alone; see TestRetention for files of the future
			l.io.file.max = 100
			n := ourLines(t, l, 3)
			first := rotated(t, path)[0]
			future := strings.TrimSuffix(path, ".log") + "-" + time.Now().UTC().Add(time.Hour).Format(logfile.StampFormat) + ".log"
			if err := os.Rename(first, future); err != nil {
				t.Fatal(err)
			}
			l.sweep()
			return n + ourLines(t, l, 3)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) { lostAndKept(t, tc.bare, tc.ours) })
	}
}

// lostAndKept runs a case: bare returns how many lines it gave to lumberjack, ours how many events to the log.
func lostAndKept(t *testing.T, bare func(*testing.T, string, *lumberjack.Logger) int, ours func(*testing.T, string, *Logger) int) {
	t.Helper()
	path := logPath(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	j := &lumberjack.Logger{Filename: path}
	want := bare(t, path, j)
	_ = j.Close()
	if n := count(t, path, "line"); n >= want {
		t.Errorf("lumberjack keeps %d of %d: this is no loss any more", n, want)
	}
	path = logPath(t)
	l := open(t, path, func(c *LoggerConfig) { c.FlushInterval = -1 })
	want = ours(t, path, l)
	stop(t, l)
	if n := count(t, path, string(EventJobStarted)); n != want {
		t.Errorf("the log keeps %d of %d", n, want)
	}
	wantVerdict(t, path, auditlog.Intact)
}

// fill writes a line and makes the file so long that the next one is to go into another.
func fill(t *testing.T, path string, j *lumberjack.Logger) {
	t.Helper()
	j.MaxSize = 1
	bareLine(j, 0)
	if err := os.Truncate(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	_ = j.Close() // so that it looks at the size again
}

func bareLine(j *lumberjack.Logger, i int) { _, _ = fmt.Fprintf(j, "line %d\n", i) }

func ourLines(t *testing.T, l *Logger, n int) int {
	t.Helper()
	for i := range n {
		if err := l.Log(info(i)); err != nil {
			t.Error(err)
		}
	}
	return n
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Skip(err) // an open file on Windows
	}
}

// count counts the whole lines with word in the files of the log.
func count(t *testing.T, path, word string) (n int) {
	t.Helper()
	files, err := filepath.Glob(strings.TrimSuffix(path, ".log") + "*.log")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(b) {
			if bytes.Contains(line, []byte(word)) && line[0] != 0 {
				n++
			}
		}
	}
	return n
}

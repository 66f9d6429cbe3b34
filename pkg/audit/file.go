package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// logFile is the file lines go to. It is used by one goroutine at a time, the one that holds Logger.io.
type logFile struct {
	path  string
	max   int64   // bytes at which it rotates; <= 0: never
	notes []Event // what happened to the file, for the log itself

	// What tests replace, to turn back the clock and to fail.
	now   func() time.Time
	put   func(*os.File, []byte) (int, error)
	fsync func(*os.File) error

	f       *os.File // nil: to be opened before the next write
	size    int64    // where the next line starts
	synced  int64    // bytes known to be on disk
	torn    bool     // a failed write may have left part of a line behind size
	damaged bool     // an fsync failed: the file takes no more lines
	rotated uint64   // how often it rotated

	retryRotate time.Time     // not before: a rotation failed
	rotatePause time.Duration // between it and the next try
}

func newLogFile(path string, max int64) *logFile {
	return &logFile{path: path, max: max, now: time.Now, put: (*os.File).Write, fsync: (*os.File).Sync}
}

// say keeps a note about the file for the log.
func (lf *logFile) say(e Event) {
	e.Details["file"] = filepath.Base(lf.path)
	lf.notes = append(lf.notes, e)
}

// open opens or creates the file, readable by its owner alone, and returns the number of its last line. Half a
// line at the end, left by a crash, is cut off.
func (lf *logFile) open() (lastSeq uint64, err error) {
	if err := makeDir(lf.path); err != nil {
		return 0, err
	}
	f, err := os.OpenFile(lf.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|openFlags, 0o600)
	if err != nil {
		return 0, fmt.Errorf("open the audit log: %w", err)
	}
	if lastSeq, err = lf.adopt(f); err != nil {
		return 0, errors.Join(fmt.Errorf("open the audit log: %w", err), f.Close())
	}
	return lastSeq, nil
}

// makeDir makes the directory of the log, for its owner alone; one that is there keeps its mode.
func makeDir(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the directory of the audit log: %w", err)
	}
	return nil
}

func (lf *logFile) adopt(f *os.File) (lastSeq uint64, err error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !fi.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is no regular file but %v", lf.path, fi.Mode().Type())
	}
	if err := makePrivate(f, fi.Mode()); err != nil {
		return 0, err
	}
	lastSeq, torn, err := tail(f, fi.Size())
	if err != nil {
		return 0, err
	}
	size := fi.Size() - torn
	if torn > 0 {
		if err := truncate(f, size); err != nil {
			return 0, err
		}
		lf.say(Event{Type: EventAuditRecovered, Severity: SeverityWarn, Message: "Half a line at the end of the log was cut off",
			Details: map[string]any{"torn_bytes": torn, "last_seq": lastSeq}})
	}
	syncDir(filepath.Dir(lf.path))
	lf.f, lf.size, lf.synced, lf.torn, lf.damaged = f, size, size, false, false
	return lastSeq, nil
}

// tailBytes is how far tail looks back: two lines of the largest size.
const tailBytes = 2 * MaxLineBytes

// tail returns the sequence number of the last whole line of f, 0 for none, and the number of bytes after it.
func tail(f io.ReaderAt, size int64) (seq uint64, torn int64, err error) {
	buf := make([]byte, min(size, tailBytes))
	if _, err := f.ReadAt(buf, size-int64(len(buf))); err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	end := bytes.LastIndexByte(buf, '\n') + 1
	torn = int64(len(buf) - end)
	for lines := buf[:end]; len(lines) > 0; {
		start := bytes.LastIndexByte(lines[:len(lines)-1], '\n') + 1
		if seq, ok := lineSeq(lines[start:]); ok {
			return seq, torn, nil
		}
		lines = lines[:start]
	}
	return 0, torn, nil
}

// lineSeq reads the sequence number of a line that endLine ended.
func lineSeq(line []byte) (uint64, bool) {
	i := bytes.LastIndex(line, []byte(`,"seq":`))
	line, ok := bytes.CutSuffix(line, []byte("}\n"))
	if i < 0 || !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(string(line[i+len(`,"seq":`):]), 10, 64)
	return seq, err == nil
}

// ready makes the file ready for the next line: open, still the one under its name, and ending where the last
// line ended.
func (lf *logFile) ready() error {
	if lf.f == nil {
		_, err := lf.open()
		return err
	}
	fi, err := lf.f.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Lstat(lf.path); err != nil || !os.SameFile(fi, there) {
		return lf.replaced()
	}
	if lf.torn {
		if err := truncate(lf.f, lf.size); err != nil {
			return err
		}
		lf.torn = false
		return nil
	}
	if fi.Size() < lf.size {
		lf.say(Event{Type: EventAuditRecovered, Severity: SeverityCritical, Message: "The log was truncated by someone else",
			Details: map[string]any{"lost_bytes": lf.size - fi.Size()}})
	}
	lf.size = fi.Size()
	lf.synced = min(lf.synced, lf.size)
	return nil
}

// replaced goes on in a new file after someone removed or renamed the old one, into which writes would go on
// without an error and unseen.
func (lf *logFile) replaced() error {
	lf.say(Event{Type: EventAuditRecovered, Severity: SeverityCritical, Message: "The log was removed or replaced by someone else",
		Details: map[string]any{"bytes": lf.size}})
	if err := lf.close(); err != nil {
		return err
	}
	_, err := lf.open()
	return err
}

// write appends whole lines and returns how many bytes of them count as written: on an error, whole lines only.
func (lf *logFile) write(lines []byte) (int, error) {
	n, err := lf.put(lf.f, lines)
	if err == nil && n < len(lines) {
		err = io.ErrShortWrite
	}
	if err != nil {
		lf.torn = true
		n = bytes.LastIndexByte(lines[:max(n, 0)], '\n') + 1
	}
	lf.size += int64(n)
	return n, err
}

// sync puts what was written on disk. When that fails the kernel may have dropped the pages, and asking again would
// say all is well; so the file is cut back to what is known to be on disk and takes no more lines.
func (lf *logFile) sync() error {
	if lf.f == nil || lf.synced == lf.size {
		return nil
	}
	if err := lf.fsync(lf.f); err != nil {
		lf.damaged = true
		if terr := truncate(lf.f, lf.synced); terr == nil {
			lf.size = lf.synced
		}
		return err
	}
	lf.synced = lf.size
	return nil
}

// close closes the file, synced.
func (lf *logFile) close() error {
	if lf.f == nil {
		return nil
	}
	err := lf.sync()
	f := lf.f
	lf.f = nil
	return errors.Join(err, f.Close())
}

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// logFile is the file lines go to. It is used by one goroutine at a time, the one that holds Logger.io.
type logFile struct {
	path  string
	max   int64   // bytes at which it rotates; <= 0: never
	notes []Event // what happened to the file, for the log itself
	*logfile.Linker
	tail     string       // of every line: see lineTail
	complete func(*Event) // fills in what headers and trailers have like other lines

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

	at       logfile.Place // the last line in the file, or what it goes on from
	syncedAt logfile.Place // the last line known to be on disk
	id       string        // of the file; empty: not known, or it has none yet
	prevID   string        // of the file before
	headed   bool          // the next line goes on from the one before it: no header is due
	filled   bool          // there is a line after the header
	ended    bool          // there is a trailer at the end
	after    string        // why the next header is written

	retryRotate time.Time     // not before: a rotation failed
	rotatePause time.Duration // between it and the next try
}

func newLogFile(path string, max int64) *logFile {
	return &logFile{path: path, max: max, Linker: logfile.NewLinker(), complete: func(*Event) {}, now: time.Now, put: (*os.File).Write, fsync: (*os.File).Sync,
		at: logfile.Place{Chain: logfile.Genesis}, syncedAt: logfile.Place{Chain: logfile.Genesis}, after: logfile.AfterNothing}
}

// say keeps a note about the file for the log.
func (lf *logFile) say(e Event) {
	e.Details["file"] = filepath.Base(lf.path)
	lf.notes = append(lf.notes, e)
}

// open opens or creates the file, readable by its owner alone, and leaves it ready for lines at its end.
func (lf *logFile) open() error {
	if err := makeDir(lf.path); err != nil {
		return err
	}
	f, err := os.OpenFile(lf.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|logfile.OpenFlags, 0o600)
	if err != nil {
		return fmt.Errorf("open the audit log: %w", err)
	}
	if err := lf.adopt(f); err != nil {
		return errors.Join(fmt.Errorf("open the audit log: %w", err), f.Close())
	}
	return nil
}

// makeDir makes the directory of the log, for its owner alone; one that is there keeps its mode.
func makeDir(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the directory of the audit log: %w", err)
	}
	return nil
}

// adopt takes f as the file. Half a line at its end, left by a crash, is cut off.
func (lf *logFile) adopt(f *os.File) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file but %v", lf.path, fi.Mode().Type())
	}
	if err := logfile.MakePrivate(f, fi.Mode()); err != nil {
		return err
	}
	size, err := cutTorn(f, fi.Size())
	if err != nil {
		return err
	}
	if torn := fi.Size() - size; torn > 0 {
		lf.say(Event{Type: EventAuditRecovered, Severity: SeverityWarn, Message: "Half a line at the end of the log was cut off",
			Details: map[string]any{"torn_bytes": torn, "last_seq": lf.at.Seq}})
	}
	logfile.SyncDir(filepath.Dir(lf.path))
	lf.f, lf.size, lf.synced, lf.torn, lf.damaged = f, size, size, false, false
	return nil
}

// cutTorn cuts f behind its last newline and returns its length then.
func cutTorn(f *os.File, size int64) (int64, error) {
	whole, err := wholeLines(f, size)
	if err == nil && whole < size {
		err = logfile.Truncate(f, whole)
	}
	return whole, err
}

// wholeLines returns how much of f, which has size bytes, its whole lines are.
func wholeLines(f io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, min(size, MaxLineBytes))
	for end := size; end > 0; {
		b := buf[:min(end, int64(len(buf)))]
		if _, err := f.ReadAt(b, end-int64(len(b))); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		end -= int64(len(b))
		if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
			return end + int64(i) + 1, nil
		}
	}
	return 0, nil
}

// ready makes the file ready for the next line: open, still the one under its name, and ending where the last
// line ended. Where it is not as it was left, the log goes on from what is known to be on disk, and says so.
func (lf *logFile) ready() error {
	if lf.f == nil {
		return lf.open()
	}
	fi, err := lf.f.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Lstat(lf.path); err != nil || !os.SameFile(fi, there) {
		return lf.replaced()
	}
	if lf.torn {
		if err := logfile.Truncate(lf.f, lf.size); err != nil {
			return err
		}
		lf.torn = false
		return nil
	}
	switch size := fi.Size(); {
	case size < lf.size:
		whole, err := cutTorn(lf.f, size)
		if err != nil {
			return err
		}
		lf.say(Event{Type: EventAuditRecovered, Severity: SeverityCritical, Message: "The log was truncated by someone else",
			Details: map[string]any{"lost_bytes": lf.size - whole}})
		lf.size, lf.synced = whole, min(lf.synced, whole)
		lf.restart(logfile.AfterLoss)
	case size > lf.size: // someone else writes too; what they wrote stays, for Verify to find
		lf.say(Event{Type: EventAuditRecovered, Severity: SeverityCritical, Message: "Someone else wrote to the log",
			Details: map[string]any{"foreign_bytes": size - lf.size}})
		lf.size, lf.headed, lf.after = size, false, logfile.AfterLoss
	}
	return nil
}

// restart makes the log go on from the last line known to be on disk, behind a header.
func (lf *logFile) restart(why string) {
	lf.at, lf.headed, lf.filled, lf.ended, lf.after = lf.syncedAt, false, false, false, why
}

// replaced goes on in a new file after someone removed or renamed the old one, into which writes would go on
// without an error and unseen. The lines that were not synced go into the new one.
func (lf *logFile) replaced() error {
	lf.say(Event{Type: EventAuditRecovered, Severity: SeverityCritical, Message: "The log was removed or replaced by someone else",
		Details: map[string]any{"bytes": lf.size}})
	f := lf.f
	lf.f = nil
	_ = f.Close() // whatever it says: nobody finds the file any more
	lf.prevID, lf.id = lf.id, ""
	lf.restart(logfile.AfterLoss)
	return lf.open()
}

// write appends whole lines, behind a header where one is due, and returns how many bytes of them count as written:
// on an error, whole lines only.
func (lf *logFile) write(lines []byte) (int, error) {
	if !lf.headed {
		if err := lf.begin(lines); err != nil {
			return 0, err
		}
	}
	n, err := lf.put(lf.f, lines)
	if err == nil && n < len(lines) {
		err = io.ErrShortWrite
	}
	if err != nil {
		lf.torn = true
		n = bytes.LastIndexByte(lines[:max(n, 0)], '\n') + 1
	}
	if n > 0 {
		last := lines[bytes.LastIndexByte(lines[:n-1], '\n')+1 : n]
		end, _ := logfile.ParseEnd(last)
		lf.at, lf.filled, lf.ended = logfile.Place{Seq: end.Seq, Chain: end.Chain}, true, false
	}
	lf.size += int64(n)
	return n, err
}

// append writes one line, all of it or, after the next ready, nothing.
func (lf *logFile) append(line []byte) error {
	n, err := lf.put(lf.f, line)
	if err == nil && n < len(line) {
		err = io.ErrShortWrite
	}
	if err != nil {
		lf.torn = true
		return err
	}
	lf.size += int64(n)
	return nil
}

// sync puts what was written on disk. When that fails the kernel may have dropped the pages, and asking again would
// say all is well; so the file is cut back to what is known to be on disk and takes no more lines.
func (lf *logFile) sync() error {
	if lf.f == nil || lf.synced == lf.size {
		return nil
	}
	if err := lf.fsync(lf.f); err != nil {
		lf.damaged = true
		if terr := logfile.Truncate(lf.f, lf.synced); terr == nil {
			lf.size = lf.synced
		}
		lf.restart(logfile.AfterDamage)
		return err
	}
	lf.synced, lf.syncedAt = lf.size, lf.at
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

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

// logFile is the current file of the log. It is guarded by Logger.io.
type logFile struct {
	path  string
	max   int64   // size in bytes at which the file is rotated; <= 0 means never
	notes []Event // events about the file that are not logged yet
	*logfile.Linker
	tail     string       // part of every line, see logfile.LineTail
	complete func(*Event) // sets the common fields of headers and trailers

	// Tests replace these to set the clock back and to inject faults.
	now   func() time.Time
	put   func(*os.File, []byte) (int, error)
	fsync func(*os.File) error

	f       *os.File // nil if it must be opened before the next write
	size    int64    // offset of the next line
	synced  int64    // number of bytes known to be on disk
	torn    bool     // a failed write may have left part of a line after size
	damaged bool     // an fsync failed: no more lines are written to the file
	rotated uint64   // number of rotations

	at       logfile.Place // last line in the file, or the line before the file
	syncedAt logfile.Place // last line known to be on disk
	id       string        // ID of the file; empty if unknown or not assigned yet
	prevID   string        // ID of the file before
	headed   bool          // the next line needs no header
	filled   bool          // the file has a line after its header
	ended    bool          // the file ends with a trailer
	after    string        // reason for the next header, one of the logfile.After constants

	retryRotate    time.Time // after a failed rotation: not before this time
	rotateFailures int       // in a row
}

func newLogFile(path string, max int64) *logFile {
	return &logFile{path: path, max: max, Linker: logfile.NewLinker(), complete: func(*Event) {}, now: time.Now, put: (*os.File).Write, fsync: (*os.File).Sync,
		at: logfile.Place{Chain: logfile.Genesis}, syncedAt: logfile.Place{Chain: logfile.Genesis}, after: logfile.AfterNothing}
}

// say queues an event about the file for the log.
func (lf *logFile) say(e Event) {
	e.Details["file"] = filepath.Base(lf.path)
	lf.notes = append(lf.notes, e)
}

// open opens or creates the file with mode 0600, and prepares it for lines at its end.
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

// makeDir creates the directory of the log with mode 0700. An existing directory keeps its mode.
func makeDir(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("create the directory of the audit log: %w", err)
	}
	return nil
}

// adopt makes f the file, and removes a partial line at its end, which a crash has left.
func (lf *logFile) adopt(f *os.File) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file but %v", lf.path, fi.Mode().Type())
	}
	if err := logfile.MakePrivate(f, fi.Mode()); err != nil {
		return err
	}
	size, err := cutTorn(f, fi.Size())
	if err != nil {
		return err
	}
	if torn := fi.Size() - size; torn > 0 {
		lf.say(Event{Type: EventAuditRecovered, Severity: SeverityWarn, Message: "A partial line at the end of the log was removed",
			Details: map[string]any{"torn_bytes": torn, "last_seq": lf.at.Seq}})
	}
	logfile.SyncDir(filepath.Dir(lf.path))
	lf.f, lf.size, lf.synced, lf.torn, lf.damaged = f, size, size, false, false
	return nil
}

// cutTorn truncates f after its last newline, and returns its new size.
func cutTorn(f *os.File, size int64) (int64, error) {
	whole, err := wholeLines(f, size)
	if err == nil && whole < size {
		err = logfile.Truncate(f, whole)
	}
	return whole, err
}

// wholeLines returns the size of the whole lines of f, which has size bytes.
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

// ready prepares the file for the next line: it is open, has not been renamed or replaced, and ends where the last line ended.
// If another program changed the file, the log continues from the last line that is known to be on disk, and records that.
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
		lf.say(Event{Type: EventAuditRecovered, Severity: SeverityCritical, Message: "The log was truncated by another program",
			Details: map[string]any{"lost_bytes": lf.size - whole}})
		lf.size, lf.synced = whole, min(lf.synced, whole)
		lf.restart(logfile.AfterLoss)
	case size > lf.size: // another program writes too; what it wrote remains for Verify to find
		lf.say(Event{Type: EventAuditRecovered, Severity: SeverityCritical, Message: "Another program wrote to the log",
			Details: map[string]any{"foreign_bytes": size - lf.size}})
		lf.size, lf.headed, lf.after = size, false, logfile.AfterLoss
	}
	return nil
}

// restart makes the log continue from the last line known to be on disk, after a new header.
func (lf *logFile) restart(why string) {
	lf.at, lf.headed, lf.filled, lf.ended, lf.after = lf.syncedAt, false, false, false, why
}

// replaced continues in a new file after another program removed or renamed the old one. Writes to the old file would still
// succeed, but no one would find the lines. Lines that were not synced are written again to the new file.
func (lf *logFile) replaced() error {
	lf.say(Event{Type: EventAuditRecovered, Severity: SeverityCritical, Message: "The log was removed or replaced by another program",
		Details: map[string]any{"bytes": lf.size}})
	f := lf.f
	lf.f = nil
	_ = f.Close() // the file no longer has a name, so an error does not matter
	lf.prevID, lf.id = lf.id, ""
	lf.restart(logfile.AfterLoss)
	return lf.open()
}

// write appends whole lines, after a header if one is due, and returns the number of bytes written. After an error only whole
// lines count.
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

// append writes one line. After an error, the next call of ready removes what was written of it.
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

// sync syncs the file. If that fails, the kernel may have discarded the pages, and a second fsync would succeed without them.
// So the file is truncated to the part that is known to be on disk, and no more lines are written to it.
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

// close syncs and closes the file.
func (lf *logFile) close() error {
	if lf.f == nil {
		return nil
	}
	err := lf.sync()
	f := lf.f
	lf.f = nil
	return errors.Join(err, f.Close())
}

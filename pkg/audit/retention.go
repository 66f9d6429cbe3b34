package audit

import (
	"os"
	"time"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// sweepInterval is the time between two searches for rotated files that are too old.
const sweepInterval = time.Hour

// tidy deletes and compresses rotated files at the start, after each rotation and every hour, until Stop. It has its own
// goroutine, so that the writer does not wait while a large file is compressed.
func (l *Logger) tidy() {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		l.sweep()
		if l.cfg.Compress {
			l.compressAll()
		}
		select {
		case <-l.quit:
			return
		case <-l.rotated:
		case <-tick.C:
		}
	}
}

// sweep deletes the rotated files beyond MaxAgeDays or MaxBackups. Before, it records each deletion in the log, synced.
func (l *Logger) sweep() {
	maxAge := time.Duration(l.cfg.MaxAgeDays) * 24 * time.Hour
	old, err := expired(l.cfg.LogFile, maxAge, l.cfg.MaxBackups)
	if old = l.ship.Keep(old); err != nil || len(old) == 0 {
		return // an unreadable directory also fails the next write, which reports it
	}
	for i := range old {
		l.own(l.ship.Unsent(pruned(&old[i])))
	}
	if l.pass(true) != nil {
		return
	}
	for i := range old {
		if err := os.Remove(old[i].Path); err != nil {
			l.complain(err.Error())
		}
	}
}

// expired returns the rotated files that are due for deletion: files older than maxAge, and the oldest ones beyond maxBackups. A
// negative bound means no limit. A file is old only if both its name and its modification time are, so that neither a clock
// that jumped nor a copy deletes a recent file.
func expired(path string, maxAge time.Duration, maxBackups int) ([]logfile.Segment, error) {
	all, err := logfile.RotatedFiles(path)
	if err != nil {
		return nil, err
	}
	cutoff := time.Now().Add(-maxAge)
	out := all[:0]
	for i, s := range all {
		fi, err := os.Stat(s.Path)
		old := err == nil && maxAge >= 0 && s.Stamp.Before(cutoff) && fi.ModTime().Before(cutoff)
		if old || maxBackups >= 0 && i < len(all)-maxBackups {
			out = append(out, s)
		}
	}
	return out, nil
}

// pruned returns the event that explains to Verify why the lines of a file are missing, and from which chain value the log
// continues.
func pruned(s *logfile.Segment) Event {
	details := map[string]any{"file": s.Name(), "rotated": s.Stamp}
	if s.Inspect(logfile.NewLinker()) == nil && s.First > 0 {
		details["bytes"], details["file_id"], details["first_seq"] = s.Info.Size(), s.Header.FileID, s.First
	}
	if end, err := s.End(); err == nil && end.Found {
		details["last_seq"], details["last_chain"] = end.Place.Seq, string(end.Place.Chain[:])
	}
	return Event{Type: EventAuditPruned, Severity: SeverityInfo, Message: "A rotated file is deleted because of its age or the number of files", Details: details}
}

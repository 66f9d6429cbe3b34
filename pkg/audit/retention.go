package audit

import (
	"os"
	"time"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// sweepInterval is how often the log looks for rotated files that are too old.
const sweepInterval = time.Hour

// tidy deletes and compresses rotated files, at first, after each rotation and every hour, until Stop. It has a goroutine
// of its own because a large file takes a while, and the writer must not wait.
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

// sweep deletes rotated files past MaxAgeDays or MaxBackups, after the log says so on disk.
func (l *Logger) sweep() {
	maxAge := time.Duration(l.cfg.MaxAgeDays) * 24 * time.Hour
	old, err := expired(l.cfg.LogFile, maxAge, l.cfg.MaxBackups)
	if old = l.ship.Keep(old); err != nil || len(old) == 0 {
		return // the next write says what is wrong with the directory
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

// expired returns the rotated files that go: those that were last written more than maxAge ago, and the oldest over
// maxBackups; -1 is no such bound. For age, name and modification time must agree, so that neither a clock that jumped nor
// a copied file costs a young one.
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

// pruned is the event that stands for a deleted file: it explains why its lines are gone, and names the chain value
// from which the log goes on.
func pruned(s *logfile.Segment) Event {
	details := map[string]any{"file": s.Name(), "rotated": s.Stamp}
	if s.Inspect(logfile.NewLinker()) == nil && s.First > 0 {
		details["bytes"], details["file_id"], details["first_seq"] = s.Info.Size(), s.Header.FileID, s.First
	}
	if end, err := s.End(); err == nil && end.Found {
		details["last_seq"], details["last_chain"] = end.Place.Seq, string(end.Place.Chain[:])
	}
	return Event{Type: EventAuditPruned, Severity: SeverityInfo, Message: "A rotated log passed its age or number and is deleted", Details: details}
}

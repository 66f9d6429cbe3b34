package audit

import (
	"os"
	"time"
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
	if old = l.ship.keep(old); err != nil || len(old) == 0 {
		return // the next write says what is wrong with the directory
	}
	for i := range old {
		l.own(l.ship.unsent(old[i].pruned()))
	}
	if l.pass(true) != nil {
		return
	}
	for i := range old {
		if err := os.Remove(old[i].path); err != nil {
			l.complain(err.Error())
		}
	}
}

// expired returns the rotated files that go: those that were last written more than maxAge ago, and the oldest over
// maxBackups; -1 is no such bound. For age, name and modification time must agree, so that neither a clock that jumped nor
// a copied file costs a young one.
func expired(path string, maxAge time.Duration, maxBackups int) ([]segment, error) {
	all, err := rotatedFiles(path)
	if err != nil {
		return nil, err
	}
	cutoff := time.Now().Add(-maxAge)
	out := all[:0]
	for i, s := range all {
		fi, err := os.Stat(s.path)
		old := err == nil && maxAge >= 0 && s.stamp.Before(cutoff) && fi.ModTime().Before(cutoff)
		if old || maxBackups >= 0 && i < len(all)-maxBackups {
			out = append(out, s)
		}
	}
	return out, nil
}

// pruned is the event that stands for a deleted file: it explains why its lines are gone, and names the chain value
// from which the log goes on.
func (s *segment) pruned() Event {
	details := map[string]any{"file": s.name(), "rotated": s.stamp}
	if s.look(newLinker()) == nil && s.first > 0 {
		details["bytes"], details["file_id"], details["first_seq"] = s.info.Size(), s.header.FileID, s.first
	}
	if end, err := s.end(); err == nil && end.found {
		details["last_seq"], details["last_chain"] = end.mark.seq, string(end.mark.chain[:])
	}
	return Event{Type: EventAuditPruned, Severity: SeverityInfo, Message: "A rotated log passed its age or number and is deleted", Details: details}
}

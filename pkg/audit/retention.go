package audit

import (
	"os"
	"path/filepath"
	"time"
)

// sweepInterval is how often the log looks for rotated files that are too old.
const sweepInterval = time.Hour

// expired returns the rotated files that were last written more than maxAge ago. Name and modification time must
// agree, so that neither a clock that jumped nor a copied file costs a young one.
func (lf *logFile) expired(maxAge time.Duration) []backup {
	cutoff := lf.now().Add(-maxAge)
	var out []backup
	for _, b := range lf.backups() {
		fi, err := os.Stat(b.path)
		if err == nil && b.stamp.Before(cutoff) && fi.ModTime().Before(cutoff) {
			out = append(out, b)
		}
	}
	return out
}

// pruned is the event that stands for a deleted file: it explains why the numbers up to last_seq are gone.
func pruned(b backup) Event {
	details := map[string]any{"file": filepath.Base(b.path), "rotated": b.stamp}
	if f, err := os.Open(b.path); err == nil {
		if fi, err := f.Stat(); err == nil {
			details["bytes"] = fi.Size()
			if seq, _, err := tail(f, fi.Size()); err == nil {
				details["last_seq"] = seq
			}
		}
		_ = f.Close() // only read
	}
	return Event{Type: EventAuditPruned, Severity: SeverityInfo, Message: "A rotated log passed its age and is deleted", Details: details}
}

// startSeq returns the number of the last line among the newest rotated files, for a log that begins empty.
func (lf *logFile) startSeq() (seq uint64) {
	backups := lf.backups()
	for _, b := range backups[max(0, len(backups)-16):] {
		if n, ok := pruned(b).Details["last_seq"].(uint64); ok {
			seq = max(seq, n)
		}
	}
	return seq
}

package audit

import (
	"path/filepath"
	"time"
)

// spaceInterval is the time between two checks of the free space.
const spaceInterval = 5 * time.Second

// space is the state of the free space on the disk of the log.
type space int

const (
	enough space = iota
	scarce       // below MinFreeMB: the log warns
	dire         // below a quarter of MinFreeMB: events of severity DEBUG and INFO are dropped
)

// checkSpace updates the state of the free space, and warns before the disk is full.
func (l *Logger) checkSpace(now time.Time) {
	if l.cfg.MinFreeMB < 0 || now.Before(l.io.spaceAt) {
		return
	}
	l.io.spaceAt = now.Add(spaceInterval)
	free, total, err := l.io.free(filepath.Dir(l.cfg.LogFile))
	if err != nil {
		return // without the free space, the log notices a full disk by the failure of a write
	}
	s, least := enough, min(int64(l.cfg.MinFreeMB)<<20, total/10) // on a small disk a tenth of its size
	switch {
	case free < least/4:
		s = dire
	case free < least:
		s = scarce
	}
	l.mu.Lock()
	was := l.mu.space
	if s == scarce && was == dire && free < least/2 {
		s = dire // hysteresis
	}
	l.mu.space = s
	l.mu.Unlock()
	if was == enough && s != enough {
		l.io.file.say(Event{Type: EventAuditError, Severity: SeverityWarn, Message: "The disk of the log is nearly full",
			Details: map[string]any{"free_bytes": free, "min_free_bytes": least}})
		l.complain("the disk of the log is nearly full")
	}
}

// spareLocked reports whether e is dropped to leave space for more important events.
func (l *Logger) spareLocked(e *Event) bool {
	return l.mu.space == dire && e.Severity.Rank() < SeverityWarn.Rank() && !critical(e)
}

// urgentCopies is the maximum number of critical events per minute that are copied to the diagnostics while the log cannot be
// written.
const urgentCopies = 10

// copyUrgent copies a critical event that is not on disk to the diagnostics.
func (l *Logger) copyUrgent(e Event, details []byte) {
	if l.cfg.Verbose {
		return // copied already
	}
	now := time.Now()
	l.mu.Lock()
	if now.Sub(l.mu.urgentSince) > time.Minute {
		l.mu.urgentSince, l.mu.urgent = now, 0
	}
	l.mu.urgent++
	n := l.mu.urgent
	l.mu.Unlock()
	if n <= urgentCopies {
		l.copyOut(e, details, "not on disk: ")
	}
}

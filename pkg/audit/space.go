package audit

import (
	"path/filepath"
	"time"
)

// spaceInterval is how often the log looks how full the disk is.
const spaceInterval = 5 * time.Second

// space says how much of the disk is left for the log.
type space int

const (
	enough space = iota
	scarce       // below MinFreeMB: people are warned
	dire         // below a quarter of it: what is left is for WARN and above
)

// checkSpace looks how full the disk is, so that something can be done before it takes nothing.
func (l *Logger) checkSpace(now time.Time) {
	if l.cfg.MinFreeMB < 0 || now.Before(l.io.spaceAt) {
		return
	}
	l.io.spaceAt = now.Add(spaceInterval)
	free, total, err := l.io.free(filepath.Dir(l.cfg.LogFile))
	if err != nil {
		return // the log notices a full disk when it is full
	}
	s, least := enough, min(int64(l.cfg.MinFreeMB)<<20, total/10) // a small disk is not full by being small
	switch {
	case free < least/4:
		s = dire
	case free < least:
		s = scarce
	}
	l.mu.Lock()
	was := l.mu.space
	if s == scarce && was == dire && free < least/2 {
		s = dire // no to and fro at the bound
	}
	l.mu.space = s
	l.mu.Unlock()
	if was == enough && s != enough {
		l.io.file.say(Event{Type: EventAuditError, Severity: SeverityWarn, Message: "The disk of the log is nearly full",
			Details: map[string]any{"free_bytes": free, "min_free_bytes": least}})
		l.complain("the disk of the log is nearly full")
	}
}

// spareLocked reports whether e is given up for the sake of more important ones.
func (l *Logger) spareLocked(e *Event) bool {
	return l.mu.space == dire && e.Severity.Rank() < SeverityWarn.Rank() && !critical(e)
}

// urgentCopies is how many critical events a minute are copied to the diagnostics while the log cannot be written.
const urgentCopies = 10

// copyUrgent copies a critical event that may be in no file to the diagnostics.
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

package audit

import (
	"maps"
	"time"
)

// Stats has the numbers of a Logger at one moment. Logged is always equal to Written + Queued + Dropped.
type Stats struct {
	Logged  uint64 // Logged counts the events given to Log, and the ones of the log about itself.
	Written uint64 // Written counts the lines in the file.
	Synced  uint64 // Synced counts the written lines that are known to be on disk.
	Queued  uint64 // Queued counts the lines in memory that are not written yet.
	Dropped uint64 // Dropped counts the events that are in no file and will not be.

	DroppedByType map[EventType]uint64 // DroppedByType is Dropped by type; nil if nothing was dropped.
	AfterStop     uint64               // AfterStop counts the dropped events that were logged after Stop.
	NotDurable    uint64               // NotDurable counts the critical events for which Log returned ErrNotDurable.
	LastSeq       uint64               // LastSeq is the number of the last line. Numbers continue from one run to the next.
	Bytes         uint64               // Bytes is the number of bytes that this Logger wrote.
	Rotations     uint64               // Rotations counts the rotations by this Logger.
	LastError     string               // LastError is the last error of a write or sync; empty if there was none.
	LastErrorAt   time.Time            // LastErrorAt is the time of LastError.
	Failing       bool                 // Failing is true if the last attempt to write or sync failed; lines wait in memory.

	Remote RemoteStats // Remote is the state of sending to RemoteEndpoint; the zero value without one.
}

// Stats returns the current numbers. For a nil Logger they are zero.
func (l *Logger) Stats() Stats {
	if l == nil {
		return Stats{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.mu.stats
	s.DroppedByType = maps.Clone(s.DroppedByType)
	s.LastSeq = l.mu.seq
	s.Queued = s.Logged - s.Written - s.Dropped
	s.Remote = l.ship.Stats(l.mu.synced.Seq)
	return s
}

// drops collects the events that were dropped since the last audit_dropped event.
type drops struct {
	byType            map[string]any // counts by type, in the form that the details have
	total             uint64
	first, last       time.Time
	firstSeq, lastSeq uint64 // the missing numbers are in this range; 0 if none is missing
}

func (d *drops) add(t EventType, at time.Time, seq uint64) {
	if d.total == 0 {
		d.byType, d.first = map[string]any{}, at
	}
	if d.firstSeq == 0 {
		d.firstSeq = seq
	}
	d.lastSeq = max(d.lastSeq, seq)
	n, _ := d.byType[string(t)].(uint64)
	d.byType[string(t)] = n + 1
	d.total++
	d.last = at
}

// take returns the audit_dropped event, and resets d.
func (d *drops) take() Event {
	e := Event{Type: EventAuditDropped, Severity: SeverityCritical, Message: "Events were lost: the disk took no more lines and the memory for them was full",
		Details: map[string]any{"events": d.total, "types": d.byType, "first": d.first, "last": d.last, "first_seq": d.firstSeq, "last_seq": d.lastSeq}}
	*d = drops{}
	return e
}

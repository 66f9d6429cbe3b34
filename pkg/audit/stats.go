package audit

import (
	"maps"
	"time"
)

// Stats is the state of a Logger at one moment: Logged = Written + Queued + Dropped, always.
type Stats struct {
	Logged  uint64 // events handed to Log, and those of the log about itself
	Written uint64 // lines in the file
	Synced  uint64 // of Written, those known to be on disk
	Queued  uint64 // lines in memory that the file has not taken yet
	Dropped uint64 // events that are in no file and will not be

	DroppedByType map[EventType]uint64 // Dropped, by type; nil for none
	AfterStop     uint64               // of Dropped, those that came after Stop
	NotDurable    uint64               // critical events for which Log returned before they were on disk
	LastSeq       uint64               // number of the last line; it goes on from one run to the next
	Bytes         uint64               // written by this Logger
	Rotations     uint64
	LastError     string    // why lines wait, or last did; empty: the disk took every line
	LastErrorAt   time.Time // when
	Failing       bool      // the last attempt to write or sync failed; lines wait in memory

	Remote RemoteStats // of RemoteEndpoint; zero without one
}

// Stats returns the numbers of this moment. A nil Logger has none.
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

// drops collects what was lost since it was last reported.
type drops struct {
	byType            map[string]any // counts, as the details of the report
	total             uint64
	first, last       time.Time
	firstSeq, lastSeq uint64 // the numbers that are missing are between these; 0: none is
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

// take returns the report of what was lost, and starts anew.
func (d *drops) take() Event {
	e := Event{Type: EventAuditDropped, Severity: SeverityCritical, Message: "Events were lost: the disk took no more lines and the memory for them was full",
		Details: map[string]any{"events": d.total, "types": d.byType, "first": d.first, "last": d.last, "first_seq": d.firstSeq, "last_seq": d.lastSeq}}
	*d = drops{}
	return e
}

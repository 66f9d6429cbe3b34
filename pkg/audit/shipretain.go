package audit

import (
	"os"
	"slices"
)

// keep leaves out of old, the rotated files whose time has come, those that the collector does not have yet: the newest of
// these, up to MaxUnsentMB. What is over that goes unsent.
func (s *shipper) keep(old []segment) []segment {
	if s == nil {
		return old
	}
	room := int64(s.log.cfg.MaxUnsentMB) << 20
	sent := s.sent()
	gone := make([]segment, 0, len(old))
	over := false // the newer ones fill the room: what is older goes
	for i := len(old) - 1; i >= 0; i-- {
		end, err := old[i].end()
		if err != nil || !end.found || end.mark.seq <= sent {
			gone = append(gone, old[i])
			continue
		}
		if fi, err := os.Stat(old[i].path); err == nil && room >= 0 {
			over = over || fi.Size() > room
			room = max(room-fi.Size(), 0)
		}
		if over {
			gone = append(gone, old[i])
		}
	}
	slices.Reverse(gone) // the oldest goes first: whatever stops it, what is left has no hole
	return gone
}

// unsent makes e, which says that a file is deleted, say so too when the collector does not have its lines.
func (s *shipper) unsent(e Event) Event {
	if s == nil {
		return e
	}
	first, _ := e.Details["first_seq"].(uint64)
	last, _ := e.Details["last_seq"].(uint64)
	if sent := s.sent(); last > sent {
		e.Severity = SeverityCritical
		e.Message = "Lines that the collector does not have are deleted: they take more than MaxUnsentMB"
		e.Details["unsent_first_seq"], e.Details["unsent_last_seq"] = max(first, sent+1), last
	}
	return e
}

// sent is the last line that is not kept for the collector.
func (s *shipper) sent() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.stats.SentSeq
}

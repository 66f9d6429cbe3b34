package ship

import (
	"os"
	"slices"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/event"
)

// Keep leaves out of old, the rotated files whose time has come, those that the collector does not have yet: the newest of
// these, up to MaxUnsentMB. What is over that goes unsent.
func (s *Shipper) Keep(old []logfile.Segment) []logfile.Segment {
	if s == nil {
		return old
	}
	room := int64(s.cfg.MaxUnsentMB) << 20
	sent := s.sent()
	gone := make([]logfile.Segment, 0, len(old))
	over := false // the newer ones fill the room: what is older goes
	for i := len(old) - 1; i >= 0; i-- {
		end, err := old[i].End()
		if err != nil || !end.Found || end.Place.Seq <= sent {
			gone = append(gone, old[i])
			continue
		}
		if fi, err := os.Stat(old[i].Path); err == nil && room >= 0 {
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

// Unsent makes e, which says that a file is deleted, say so too when the collector does not have its lines.
func (s *Shipper) Unsent(e event.Event) event.Event {
	if s == nil {
		return e
	}
	first, _ := e.Details["first_seq"].(uint64)
	last, _ := e.Details["last_seq"].(uint64)
	if sent := s.sent(); last > sent {
		e.Severity = event.Critical
		e.Message = "Lines that the collector does not have are deleted: they take more than MaxUnsentMB"
		e.Details["unsent_first_seq"], e.Details["unsent_last_seq"] = max(first, sent+1), last
	}
	return e
}

// sent is the last line that is not kept for the collector.
func (s *Shipper) sent() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.stats.SentSeq
}

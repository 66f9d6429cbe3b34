package event

import "maps"

// BusStats is the state of a Bus at one moment: Published = Unheard + Queued + Running + Handled + Dropped, always.
type BusStats struct {
	Published uint64 // events given to Record
	Unheard   uint64 // of them, those for which nobody had subscribed
	Queued    uint64 // those that wait for a worker
	Running   uint64 // those whose handlers run now
	Handled   uint64 // those all of whose handlers returned
	Dropped   uint64 // those that were lost

	QueuedByPriority  [3]uint64
	DroppedByPriority [3]uint64
	DroppedByType     map[Type]uint64 // at most 64 types, the rest under "other"; nil for none

	Calls     uint64 // of handlers
	Panics    uint64 // of Calls, those that panicked
	Timeouts  uint64 // of Calls, those that ran longer than HandlerTimeout
	LastPanic string // what the last one panicked with, up to 256 characters
}

const maxDroppedTypes = 64

// Stats returns the numbers of this moment.
func (b *Bus) Stats() BusStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.mu.stats
	s.DroppedByType = maps.Clone(s.DroppedByType)
	for p := range s.QueuedByPriority {
		s.QueuedByPriority[p] = uint64(b.mu.queues.rings[p].n)
		s.Queued += s.QueuedByPriority[p]
	}
	return s
}

func (s *BusStats) drop(t Type, p Priority) {
	s.Dropped++
	s.DroppedByPriority[p]++
	if s.DroppedByType == nil {
		s.DroppedByType = map[Type]uint64{}
	}
	if _, seen := s.DroppedByType[t]; !seen && len(s.DroppedByType) >= maxDroppedTypes {
		t = "other" // types are free text: a map of them has to end somewhere
	}
	s.DroppedByType[t]++
}

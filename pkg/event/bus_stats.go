package event

import "maps"

// BusStats is the state of a Bus at one moment. At every moment
//
//	Published = Unsubscribed + Queued + Running + Handled + Dropped
type BusStats struct {
	// Published is the number of events given to Record.
	Published uint64 `json:"published"`
	// Unsubscribed is the number of events to whose type no handler was subscribed.
	Unsubscribed uint64 `json:"unsubscribed"`
	// Queued is the number of events that wait for a worker.
	Queued uint64 `json:"queued"`
	// Running is the number of events whose handlers are running.
	Running uint64 `json:"running"`
	// Handled is the number of events whose handlers have all returned.
	Handled uint64 `json:"handled"`
	// Dropped is the number of events that were dropped.
	Dropped uint64 `json:"dropped"`
	// DroppedByPriority counts the dropped events by Priority.
	DroppedByPriority [3]uint64 `json:"dropped_by_priority"`
	// DroppedByType counts the dropped events of up to 64 types. Events of further types are counted as "other".
	DroppedByType map[Type]uint64 `json:"dropped_by_type,omitempty"`

	// Calls is the number of handler calls that have ended.
	Calls uint64 `json:"calls"`
	// Panics is the number of them that ended in a panic.
	Panics uint64 `json:"panics"`
	// LastPanic is the value of the last panic, cut to 256 characters.
	LastPanic string `json:"last_panic,omitempty"`
}

// maxDroppedTypes bounds DroppedByType, because types are free text.
const maxDroppedTypes = 64

// Stats returns the state of the bus.
func (b *Bus) Stats() BusStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.DroppedByType = maps.Clone(s.DroppedByType)
	for _, q := range b.queues {
		s.Queued += uint64(len(q))
	}
	return s
}

func (s *BusStats) drop(t Type, p Priority) {
	s.Dropped++
	s.DroppedByPriority[p]++
	if s.DroppedByType == nil {
		s.DroppedByType = map[Type]uint64{}
	}
	if s.DroppedByType[t] == 0 && len(s.DroppedByType) >= maxDroppedTypes {
		t = "other"
	}
	s.DroppedByType[t]++
}

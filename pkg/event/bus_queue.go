package event

// fullLocked reports whether an event of priority p cannot be queued without dropping one.
func (b *Bus) fullLocked(p Priority) bool {
	if b.cfg.Policy != DropLowPriority {
		return len(b.queues[p]) >= b.cfg.QueueSizes[p]
	}
	waiting, size := 0, 0
	for q := range b.queues {
		waiting, size = waiting+len(b.queues[q]), size+b.cfg.QueueSizes[q]
	}
	return waiting >= size
}

// pushLocked queues e and drops what the policy says if there is no space.
func (b *Bus) pushLocked(e Event, p Priority) {
	if b.fullLocked(p) {
		from, ok := b.victimLocked(p)
		if !ok {
			b.stats.drop(e.Type, p)
			return
		}
		b.stats.drop(b.shiftLocked(from).Type, from)
	}
	b.queues[p] = append(b.queues[p], e)
}

// victimLocked returns the queue whose oldest event is dropped for one of priority p, or false if that one is dropped.
func (b *Bus) victimLocked(p Priority) (Priority, bool) {
	switch b.cfg.Policy {
	case DropOldest:
		return p, true
	case DropLowPriority:
		for from := Low; from > p; from-- {
			if len(b.queues[from]) > 0 {
				return from, true
			}
		}
	}
	return 0, false
}

// shiftLocked removes the oldest event of a queue that is not empty.
func (b *Bus) shiftLocked(p Priority) Event {
	e := b.queues[p][0]
	b.queues[p][0] = Event{} // so that its details can be collected
	b.queues[p] = b.queues[p][1:]
	return e
}

// popLocked removes the oldest event of the highest priority.
func (b *Bus) popLocked() (Event, Priority, bool) {
	for p := High; p <= Low; p++ {
		if len(b.queues[p]) > 0 {
			return b.shiftLocked(p), p, true
		}
	}
	return Event{}, 0, false
}

func (b *Bus) dropQueuedLocked() {
	for e, p, ok := b.popLocked(); ok; e, p, ok = b.popLocked() {
		b.stats.drop(e.Type, p)
	}
}

package event

// ring is a queue of events. It grows to what is used of its bound, not to the bound at once.
type ring struct {
	buf  []Event
	head int
	n    int
}

func (r *ring) push(e Event) {
	if r.n == len(r.buf) {
		grown := make([]Event, max(16, 2*len(r.buf)))
		for i := range r.n {
			grown[i] = r.buf[(r.head+i)%len(r.buf)]
		}
		r.buf, r.head = grown, 0
	}
	r.buf[(r.head+r.n)%len(r.buf)] = e
	r.n++
}

// pop takes the oldest event; there must be one.
func (r *ring) pop() Event {
	e := r.buf[r.head]
	r.buf[r.head] = Event{} // its details may go
	r.head = (r.head + 1) % len(r.buf)
	r.n--
	return e
}

// queues holds the events that wait, by priority. Its user locks.
type queues struct {
	rings  [3]ring
	sizes  [3]int
	policy Policy
}

func (q *queues) len() int { return q.rings[High].n + q.rings[Medium].n + q.rings[Low].n }

// full reports whether nothing can be queued at p without a loss.
func (q *queues) full(p Priority) bool {
	if q.policy == DropLowPriority {
		return q.len() >= q.sizes[High]+q.sizes[Medium]+q.sizes[Low]
	}
	return q.rings[p].n >= q.sizes[p]
}

// push queues e and returns what gave way to it, if anything had to; that may be e itself.
func (q *queues) push(e Event, p Priority) (lost Event, from Priority, dropped bool) {
	if q.full(p) {
		from = q.victim(p)
		if from < 0 {
			return e, p, true
		}
		lost, dropped = q.rings[from].pop(), true
	}
	q.rings[p].push(e)
	return lost, from, dropped
}

// victim is the queue whose oldest event gives way to one at p; -1: none does.
func (q *queues) victim(p Priority) Priority {
	switch q.policy {
	case DropOldest:
		return p
	case DropLowPriority:
		for from := Low; from > p; from-- {
			if q.rings[from].n > 0 {
				return from
			}
		}
	}
	return -1
}

// pop takes the next event, of the highest priority there is.
func (q *queues) pop() (e Event, p Priority, ok bool) {
	for p := High; p <= Low; p++ {
		if q.rings[p].n > 0 {
			return q.rings[p].pop(), p, true
		}
	}
	return Event{}, 0, false
}

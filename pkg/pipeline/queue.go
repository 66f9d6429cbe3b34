package pipeline

import (
	"cmp"
	"slices"
	"time"

	"github.com/rediverio/sdk/pkg/part"
)

// entry is a part in the queue, or a report to be encoded if part is nil.
type entry struct {
	d    *delivery
	part *part.Part
	seq  int64 // order of submission
	due  time.Time
}

// byTurn orders entries by priority, then by age, then by the index of the part.
func byTurn(a, b *entry) int {
	c := cmp.Or(cmp.Compare(b.d.env.Priority, a.d.env.Priority), cmp.Compare(a.seq, b.seq))
	if c == 0 && a.part != nil && b.part != nil {
		return cmp.Compare(a.part.Index, b.part.Index)
	}
	return c
}

// byDue orders entries by the time at which they are due.
func byDue(a, b *entry) int { return cmp.Or(a.due.Compare(b.due), byTurn(a, b)) }

func insert(queue *[]*entry, e *entry, order func(a, b *entry) int) {
	i, _ := slices.BinarySearchFunc(*queue, e, order)
	*queue = slices.Insert(*queue, i, e)
}

func (m *memory) pushLocked(e *entry) {
	if e.seq == 0 {
		m.seq++
		e.seq = m.seq
	}
	insert(&m.turn, e, byTurn)
}

// dueLocked moves what is due at the given time from later to turn.
func (m *memory) dueLocked(now time.Time) {
	for len(m.later) > 0 && !m.later[0].due.After(now) {
		m.pushLocked(m.later[0])
		m.later = slices.Delete(m.later, 0, 1)
	}
}

// fairEvery is the number of leases of which one takes the oldest entry whatever its priority, so that none starves.
const fairEvery = 8

// takeLocked removes the entry whose turn it is.
func (m *memory) takeLocked() *entry {
	m.leases++
	next := 0
	if m.leases%fairEvery == 0 {
		for i, e := range m.turn {
			if e.seq < m.turn[next].seq {
				next = i
			}
		}
	}
	e := m.turn[next]
	m.turn = slices.Delete(m.turn, next, next+1)
	return e
}

// hurry makes everything due now and ends the pacing, because a drain makes one attempt without delay.
func (m *memory) hurry() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delay, m.paced = 0, time.Time{}
	for _, e := range m.later {
		m.pushLocked(e)
	}
	m.later = nil
}

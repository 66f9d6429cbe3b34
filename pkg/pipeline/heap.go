package pipeline

import (
	"container/heap"
	"time"
)

// turnHeap orders entries by priority, then by age, then by the index of the part.
type turnHeap []*entry

func (h turnHeap) Len() int      { return len(h) }
func (h turnHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h turnHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	if a.d.env.Priority != b.d.env.Priority {
		return a.d.env.Priority > b.d.env.Priority
	}
	if a.seq != b.seq {
		return a.seq < b.seq
	}
	return a.part != nil && b.part != nil && a.part.Index < b.part.Index
}
func (h *turnHeap) Push(x any) { *h = append(*h, x.(*entry)) }
func (h *turnHeap) Pop() any   { return pop((*[]*entry)(h)) }

// dueHeap orders entries by the time at which they are due.
type dueHeap []*entry

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(*entry)) }
func (h *dueHeap) Pop() any          { return pop((*[]*entry)(h)) }

func pop(h *[]*entry) *entry {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}

func (m *memory) pushLocked(e *entry) {
	if e.seq == 0 {
		m.seq++
		e.seq = m.seq
	}
	heap.Push(&m.turn, e)
	m.waiting[e.d.env.Priority]++
}

// dueLocked moves the first entry of later to turn.
func (m *memory) dueLocked() { m.pushLocked(heap.Pop(&m.later).(*entry)) }

// fairEvery is the number of leases of which one takes the oldest entry whatever its priority, so that none starves.
const fairEvery = 8

func (m *memory) turnLocked() *entry {
	m.leases++
	first := 0
	if m.leases%fairEvery == 0 && len(m.waiting) > 1 {
		for i, e := range m.turn {
			if e.seq < m.turn[first].seq {
				first = i
			}
		}
	}
	e := heap.Remove(&m.turn, first).(*entry)
	prio := e.d.env.Priority
	if m.waiting[prio]--; m.waiting[prio] == 0 {
		delete(m.waiting, prio)
	}
	return e
}

// hurry makes everything due now and ends the pacing, because a drain makes one attempt without delay.
func (m *memory) hurry() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delay, m.paced = 0, time.Time{}
	for len(m.later) > 0 {
		m.dueLocked()
	}
}

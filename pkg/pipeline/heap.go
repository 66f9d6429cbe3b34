package pipeline

// turnHeap orders entries by whose turn it is: higher priority first, then older, then the earlier part.
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

// dueHeap orders entries by when they are due.
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

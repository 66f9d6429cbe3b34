package server

import "slices"

// fair is a queue that serves tenants in turn, so that who has much waiting delays the others by one of his at a
// time. The zero fair is empty.
type fair[T any] struct {
	order   []string // tenants with something waiting, the next to be served first
	waiting map[string][]T
}

func (q *fair[T]) push(tenant string, x T) {
	if q.waiting == nil {
		q.waiting = map[string][]T{}
	}
	if len(q.waiting[tenant]) == 0 {
		q.order = append(q.order, tenant)
	}
	q.waiting[tenant] = append(q.waiting[tenant], x)
}

// peek returns what pop would.
func (q *fair[T]) peek() (x T, ok bool) {
	if len(q.order) == 0 {
		return x, false
	}
	return q.waiting[q.order[0]][0], true
}

func (q *fair[T]) pop() (x T, ok bool) {
	if x, ok = q.peek(); !ok {
		return x, false
	}
	tenant := q.order[0]
	q.order = q.order[1:]
	if rest := q.waiting[tenant][1:]; len(rest) > 0 {
		q.waiting[tenant] = rest
		q.order = append(q.order, tenant)
	} else {
		delete(q.waiting, tenant)
	}
	return x, true
}

// remove takes x out wherever it waits, and says whether it did.
func (q *fair[T]) remove(tenant string, is func(T) bool) bool {
	for i, x := range q.waiting[tenant] {
		if !is(x) {
			continue
		}
		rest := slices.Delete(slices.Clone(q.waiting[tenant]), i, i+1)
		if q.waiting[tenant] = rest; len(rest) == 0 {
			delete(q.waiting, tenant)
			at := slices.Index(q.order, tenant)
			q.order = slices.Delete(slices.Clone(q.order), at, at+1)
		}
		return true
	}
	return false
}

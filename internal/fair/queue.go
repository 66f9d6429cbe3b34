// Package fair has a queue whose users are served in turn.
package fair

import "slices"

// Queue serves names in turn, so that a name with many elements delays the others by one element at a time. Elements of
// the same name are served in order. The zero Queue is empty. It is not safe for concurrent use.
type Queue[T any] struct {
	order   []string // names that have elements, the next to be served first
	waiting map[string][]T
	n       int
}

// Len returns the number of elements.
func (q *Queue[T]) Len() int { return q.n }

// Push adds x to the elements of name.
func (q *Queue[T]) Push(name string, x T) {
	if q.waiting == nil {
		q.waiting = map[string][]T{}
	}
	if len(q.waiting[name]) == 0 {
		q.order = append(q.order, name)
	}
	q.waiting[name] = append(q.waiting[name], x)
	q.n++
}

// Peek returns the element that Pop would remove.
func (q *Queue[T]) Peek() (x T, ok bool) {
	if len(q.order) == 0 {
		return x, false
	}
	return q.waiting[q.order[0]][0], true
}

// Pop removes and returns the first element of the next name.
func (q *Queue[T]) Pop() (x T, ok bool) {
	if x, ok = q.Peek(); !ok {
		return x, false
	}
	name := q.order[0]
	q.order = q.order[1:]
	q.n--
	if rest := q.waiting[name][1:]; len(rest) > 0 {
		q.waiting[name] = rest
		q.order = append(q.order, name)
	} else {
		delete(q.waiting, name)
	}
	return x, true
}

// Remove removes the first element of name for which is returns true, and reports whether there was one.
func (q *Queue[T]) Remove(name string, is func(T) bool) bool {
	at := slices.IndexFunc(q.waiting[name], is)
	if at < 0 {
		return false
	}
	q.n--
	rest := slices.Delete(slices.Clone(q.waiting[name]), at, at+1)
	if q.waiting[name] = rest; len(rest) == 0 {
		delete(q.waiting, name)
		i := slices.Index(q.order, name)
		q.order = slices.Delete(slices.Clone(q.order), i, i+1)
	}
	return true
}

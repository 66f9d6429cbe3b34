package chunk

import (
	"cmp"
	"slices"
	"time"
)

// candidate is a waiting part and its position in the upload order.
type candidate struct {
	pid, rid int64
	priority int
	turn     int64 // see Manager.takeTurns
	chunk    bool  // part of a split report, after which the upload delay applies
}

// compare orders candidates: higher priority first, then by turn.
func (c candidate) compare(o candidate) int {
	return cmp.Or(cmp.Compare(o.priority, c.priority), cmp.Compare(c.turn, o.turn), cmp.Compare(c.pid, o.pid))
}

// window is the head of the queue of waiting parts. It is read ahead, so that most leases need no query.
type window struct {
	parts    []candidate // sorted
	complete bool        // it holds every part that is due and not leased
	stale    bool        // it must be read again
	idle     bool        // no part waited when it was read, not even for a later time
	retry    time.Time   // earliest time at which a retried part becomes due; zero: none
	leased   int         // leases since the store was opened
}

const (
	windowSize = 256
	// fairEvery: every so many leases the oldest part is leased regardless of its priority, so that none starves.
	fairEvery = 8
)

// load replaces the window by the first candidates of the queue.
func (w *window) load(found []candidate, complete bool) {
	w.parts, w.complete, w.stale, w.idle = found, complete, false, false
}

// isIdle reports whether no part waits, so that no query is needed.
func (w *window) isIdle() bool { return w.idle && len(w.parts) == 0 && !w.stale && w.retry.IsZero() }

// add inserts a part that became due.
func (w *window) add(c candidate) {
	if w.stale || !w.complete && (len(w.parts) == 0 || c.compare(w.parts[len(w.parts)-1]) > 0) {
		return // it is found when the window is read again
	}
	at, _ := slices.BinarySearchFunc(w.parts, c, candidate.compare)
	w.parts = slices.Insert(w.parts, at, c)
	if len(w.parts) > 2*windowSize {
		w.parts, w.complete = w.parts[:windowSize], false
	}
}

// take removes and returns the first part that may be uploaded now; parts of split reports may not before paced. If there
// is none, due is the time at which there will be one, zero if that is unknown, and empty means that the window must be read.
func (w *window) take(now, paced time.Time) (c candidate, ok bool, due time.Time, empty bool) {
	if !w.retry.IsZero() && !w.retry.After(now) {
		w.stale, w.retry = true, time.Time{}
	}
	if w.stale {
		w.parts, w.complete = w.parts[:0], false
	}
	for i, p := range w.parts {
		if p.chunk && paced.After(now) {
			continue
		}
		w.parts = slices.Delete(w.parts, i, i+1)
		return p, true, time.Time{}, false
	}
	if len(w.parts) == 0 {
		return candidate{}, false, time.Time{}, true
	}
	if !w.retry.IsZero() && w.retry.Before(paced) {
		paced = w.retry
	}
	return candidate{}, false, paced, false
}

// swap inserts one candidate and removes another one.
func (w *window) swap(back, out candidate) {
	w.parts = slices.DeleteFunc(w.parts, func(p candidate) bool { return p.pid == out.pid })
	w.add(back)
}

// firstByPriority reports whether c precedes another part only because of its priority.
func (w *window) firstByPriority(c candidate) bool {
	return !w.complete || len(w.parts) > 0 && w.parts[len(w.parts)-1].priority < c.priority
}

// putBack records that a part becomes due again at a later time.
func (w *window) putBack(due time.Time) {
	if w.retry.IsZero() || due.Before(w.retry) {
		w.retry = due
	}
}

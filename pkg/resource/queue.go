package resource

import (
	"context"
	"slices"
	"sort"
)

// MaxBypass is the number of times that others whose admission may delay it can pass a waiting request.
const MaxBypass = 16

// waiter is a request that waits or is about to be granted.
type waiter struct {
	need     need
	priority int
	number   uint64 // order of arrival
	counting bool   // by the counter API: granted without a Slot

	// Guarded by Controller.mu.
	after     uint64   // number of the last grant before it arrived
	ahead     []uint64 // grants in force to requests ahead of it, made after it arrived; they are not late
	late      amounts  // grants in force that passed it, as Slots
	own       amounts  // part of late that its own component holds
	lateCount int      // upper bound of the same by the counter API
	passed    int

	done chan struct{} // closed when slot and err are final
	slot *Slot
	err  error
}

func (w *waiter) starved() bool { return w.passed >= MaxBypass }

// passes reports whether a grant of w passes u: u is ahead of w or arrived earlier.
func (w *waiter) passes(u *waiter) bool { return u.before(w) || u.number < w.number }

// endAhead removes a grant from ahead, and reports whether it was there.
func (w *waiter) endAhead(number uint64) bool {
	i := slices.Index(w.ahead, number)
	if i < 0 {
		return false
	}
	w.ahead = slices.Delete(w.ahead, i, i+1)
	return true
}

// lateLocked books a grant that passed w (times is 1) or its end (times is -1).
func (w *waiter) lateLocked(n need, times int64) {
	w.late = w.late.plus(n.amounts(), times)
	if n.account == w.need.account {
		w.own = w.own.plus(n.amounts(), times)
	}
}

// before reports whether w is served before o.
func (w *waiter) before(o *waiter) bool {
	if a, b := w.need.account, o.need.account; a != b && a.Priority != b.Priority {
		return a.Priority > b.Priority
	}
	if w.priority != o.priority {
		return w.priority > o.priority
	}
	return w.number < o.number
}

func (c *Controller) candidate(n need, priority int) *waiter {
	return &waiter{need: n, priority: priority, number: c.arrived + 1}
}

// wait implements all blocking calls. The slot is nil if counting.
func (c *Controller) wait(ctx context.Context, n need, priority int, counting bool) (*Slot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	now := c.candidate(n, priority)
	now.counting = counting
	if err := c.impossibleLocked(now); err != nil {
		c.mu.Unlock()
		return nil, err
	}
	why, ok := c.admissibleLocked(now)
	if ok {
		defer c.mu.Unlock()
		return c.admitLocked(now), nil
	}
	c.tally.waited.add(why.Resource)
	w := new(waiter) // on the heap only now: an immediate grant allocates none
	*w = *now
	c.enqueueLocked(w)
	c.revokeLocked()
	c.mu.Unlock()

	select {
	case <-w.done:
	case <-ctx.Done():
	}
	err := ctx.Err()
	if err == nil {
		return w.slot, w.err
	}
	c.leave(w) // even if both happened: a request whose ctx is done is never granted
	return nil, err
}

// leave removes w from the list, or returns what it was granted meanwhile, and serves the others.
func (c *Controller) leave(w *waiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-w.done:
	default:
		c.removeLocked(w)
		c.serveLocked()
		return
	}
	switch {
	case w.err != nil:
	case w.counting:
		c.counted--
		c.takeBackLocked(w.need, 0)
	default:
		w.slot.endLocked()
	}
}

func (c *Controller) enqueueLocked(w *waiter) {
	c.arrived++
	w.after = c.grants
	w.done = make(chan struct{})
	i := sort.Search(len(c.waiters), func(i int) bool { return w.before(c.waiters[i]) })
	c.waiters = slices.Insert(c.waiters, i, w)
}

func (c *Controller) removeLocked(w *waiter) {
	i := slices.Index(c.waiters, w)
	c.waiters = slices.Delete(c.waiters, i, i+1)
	if w.starved() {
		c.starved--
	}
}

// settleLocked ends the wait of w.
func (c *Controller) settleLocked(w *waiter, s *Slot, err error) {
	c.removeLocked(w)
	w.slot, w.err = s, err
	close(w.done)
}

// serveLocked grants waiting requests in order. It runs after every change that may allow a grant.
func (c *Controller) serveLocked() {
	for i := 0; i < len(c.waiters); {
		w := c.waiters[i]
		if err := c.impossibleLocked(w); err != nil {
			c.settleLocked(w, nil, err)
			i = 0 // requests that w blocked may be possible now
			continue
		}
		if _, ok := c.admissibleLocked(w); !ok {
			i++
			continue
		}
		c.removeLocked(w)
		w.slot = c.admitLocked(w)
		close(w.done)
		i = 0
	}
	c.revokeLocked()
}

package resource

import (
	"context"
	"slices"
	"sort"
)

// MaxBypass is how often a waiting request may be passed by others whose admission may delay it.
const MaxBypass = 16

// waiter is a request that waits, or a candidate that is about to.
type waiter struct {
	need     need
	priority int
	number   uint64 // order of arrival
	counting bool   // taken with the counter API: granted without a Slot

	// Guarded by Controller.mu.
	after     uint64   // grants made before it came
	ahead     []uint64 // grants in force, made after it came to those it had to wait for anyway: no Slot of them is late
	late      amounts  // in force and granted past it, as Slots
	own       amounts  // part of late that its own component holds
	lateCount int      // upper bound of the same by the counter API
	passed    int

	done chan struct{} // closed when slot and err are final
	slot *Slot
	err  error
}

func (w *waiter) starved() bool { return w.passed >= MaxBypass }

// passes reports whether a grant of w is one past u: its turn was after that of u, or it came later.
func (w *waiter) passes(u *waiter) bool { return u.before(w) || u.number < w.number }

// endAhead forgets a grant, and reports whether it was one of those ahead.
func (w *waiter) endAhead(number uint64) bool {
	i := slices.Index(w.ahead, number)
	if i < 0 {
		return false
	}
	w.ahead = slices.Delete(w.ahead, i, i+1)
	return true
}

// lateLocked notes that n was granted past w, times 1, or came back, times -1.
func (w *waiter) lateLocked(n need, times int64) {
	w.late = w.late.plus(n.amounts(), times)
	if n.account == w.need.account {
		w.own = w.own.plus(n.amounts(), times)
	}
}

// before is the order of the list.
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

// wait is the one way to wait. The slot is nil when counting.
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
	w := new(waiter) // on the heap only now: who is granted at once allocates nothing for it
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
	c.leave(w) // also when both came at once: a request whose ctx is done is never granted
	return nil, err
}

// leave takes w out of the list, or gives back what it was granted meanwhile, and serves the others.
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

// serveLocked grants what can be granted, in order. It runs after every change that may make room.
func (c *Controller) serveLocked() {
	for i := 0; i < len(c.waiters); {
		w := c.waiters[i]
		if err := c.impossibleLocked(w); err != nil {
			c.settleLocked(w, nil, err)
			i = 0 // who was blocked by w may be free now
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

package resource

import "time"

// impossibleLocked returns why w can never be granted, a *TooLargeError or ErrClosed, or nil. It lowers guessed memory to what
// the budget allows.
func (c *Controller) impossibleLocked(w *waiter) error {
	if c.invalid != nil {
		return c.invalid
	}
	if c.closed {
		return ErrClosed
	}
	if c.ledger != nil && w.need.guess {
		w.need.memory = min(w.need.memory, w.need.account.most[memory])
	}
	n := w.need
	if most := c.mostLocked(); n.slots > most {
		return &TooLargeError{Resource: Slots, Need: int64(n.slots), Limit: int64(most)}
	}
	if n.memory > 0 && !n.guess && c.metrics.MemorySource != "" {
		if limit := c.metrics.MemoryLimitBytes - c.reserve; n.memory > limit {
			return &TooLargeError{Resource: Memory, Need: n.memory, Limit: limit}
		}
	}
	if c.ledger != nil {
		for d, need := range n.amounts() {
			if a := n.account; need > a.ever[d] {
				return &TooLargeError{Resource: dimensions[d].resource, Component: a.Component, Need: need, Limit: a.ever[d]}
			}
		}
	}
	return nil
}

// admissibleLocked reports whether w may be granted now, and otherwise why not. The reason is valid until the next call.
func (c *Controller) admissibleLocked(w *waiter) (why *ThrottledError, ok bool) {
	if c.slots+w.need.slots > c.max {
		c.adviser.bound = true
		return c.refuseLocked(ThrottledError{Resource: Slots, Value: float64(c.slots), Limit: float64(c.max)})
	}
	if c.cfg.Gate != nil {
		if why := c.refusedByGateLocked(); why != nil {
			return why, false
		}
	}
	if c.throttle.hard || c.throttle.reason != nil && c.jobs >= c.cfg.MinConcurrentJobs {
		why, _ := c.refuseLocked(*c.throttle.reason)
		why.RetryAfter = c.cfg.SampleInterval // the next sample may let the minimum run
		if c.jobs >= c.cfg.MinConcurrentJobs {
			why.RetryAfter = c.throttle.retryAfter(time.Now(), c.cfg.SampleInterval)
		}
		return why, false
	}
	if w.need.memory > 0 && c.metrics.MemorySource != "" && !(w.need.guess && c.jobs == 0) {
		if left := c.metrics.MemoryAvailableBytes - c.promisedLocked() - w.need.memory; left < c.reserve {
			return c.refuseLocked(ThrottledError{Resource: MemoryReserve, Value: float64(left), Limit: float64(c.reserve)})
		}
	}
	if c.ledger != nil {
		if why, ok := c.coveredLocked(w); !ok {
			a := w.need.account
			c.adviser.bound = c.adviser.bound || why.Resource == Slots && a.used[slots]+int64(w.need.slots) <= a.ever[slots]
			return c.refuseLocked(why)
		}
	}
	if c.starved > 0 && c.blockedLocked(w) {
		return c.refuseLocked(ThrottledError{Resource: Order, Value: float64(c.starved)})
	}
	return nil, true
}

// refuseLocked stores the reason in the controller, so that callers that drop it do not pay for an allocation.
func (c *Controller) refuseLocked(why ThrottledError) (*ThrottledError, bool) {
	c.refusal = why
	return &c.refusal, false
}

// promisedLocked returns the memory that was reserved but not yet used when the newest sample was taken. Without it a burst of
// jobs would be admitted before any of them has allocated.
func (c *Controller) promisedLocked() int64 {
	var sum int64
	for s := range c.memory {
		sum += max(s.need.memory-s.sampled, 0)
	}
	return sum
}

// ceilingLocked returns the memory that all jobs together may reserve.
func (c *Controller) ceilingLocked() int64 {
	sum := c.metrics.MemoryAvailableBytes - c.reserve
	for s := range c.memory {
		sum += s.sampled
	}
	return sum
}

// beyondLocked reports whether u waits for memory that other processes use.
func (c *Controller) beyondLocked(u *waiter) bool {
	return u.need.memory > 0 && c.metrics.MemorySource != "" && u.need.memory > c.ceilingLocked()
}

// safeLocked reports whether admitting w cannot delay u, because the jobs admitted past u, w and u fit together, or because u
// waits for slots or memory that no job will release. If u guessed its memory it waits for the end of all jobs instead, which
// w may delay.
func (c *Controller) safeLocked(u, w *waiter) bool {
	if u.need.slots > c.max {
		return true
	}
	if c.ledger != nil {
		if c.apartLocked(u, w) {
			return true
		}
		if !c.besideLocked(u, w) {
			return false
		}
	}
	if int(u.late[slots])+u.lateCount+w.need.slots+u.need.slots > c.max {
		return false
	}
	if u.need.memory == 0 || c.metrics.MemorySource == "" {
		return true
	}
	ceiling := c.ceilingLocked()
	if u.need.memory > ceiling {
		return !u.need.guess
	}
	return u.late[memory]+w.need.memory+u.need.memory <= ceiling
}

// blockedLocked reports whether a starved waiter forbids w. Of two starved waiters the older is served first, so that one of
// them always waits for resources alone.
func (c *Controller) blockedLocked(w *waiter) bool {
	for _, u := range c.waiters {
		if u == w || !u.starved() || w.starved() && w.number < u.number {
			continue
		}
		if !c.safeLocked(u, w) {
			return true
		}
	}
	return false
}

// admitLocked grants w. The slot is nil if w is counting.
func (c *Controller) admitLocked(w *waiter) *Slot {
	if w.counting {
		c.countLocked(w)
		return nil
	}
	return c.grantLocked(w)
}

func (c *Controller) grantLocked(w *waiter) *Slot {
	c.passLocked(w)
	for _, u := range c.waiters {
		if !w.passes(u) {
			u.ahead = append(u.ahead, c.grants)
			continue
		}
		u.lateLocked(w.need, 1)
	}
	s := &Slot{c: c, need: w.need, number: c.grants}
	if w.need.memory > 0 {
		c.memory[s] = struct{}{}
	}
	return s
}

func (c *Controller) countLocked(w *waiter) {
	c.passLocked(w)
	for _, u := range c.waiters {
		if w.passes(u) {
			u.lateCount++
		}
	}
	c.counted++
}

// passLocked books the grant of w, which is no longer in the list, and counts it for every waiter that it passes.
func (c *Controller) passLocked(w *waiter) {
	c.grants++
	c.jobs++
	c.slots += w.need.slots
	if c.granted != nil {
		c.granted(w.need)
	}
	for _, u := range c.waiters {
		if w.passes(u) && !u.starved() && !c.safeLocked(u, w) {
			if u.passed++; u.starved() {
				c.starved++
			}
		}
	}
	if c.ledger != nil { // last, because safeLocked needs the books from before the grant
		c.ledger.book(w.need, 1)
	}
}

// takeBackLocked ends a grant. number is the one of its Slot, or 0 for the counter API, which does not identify the slot: for
// the waiters it is the oldest one.
func (c *Controller) takeBackLocked(n need, number uint64) {
	c.jobs--
	c.slots -= n.slots
	if c.ledger != nil {
		c.ledger.book(n, -1)
	}
	if len(c.waiters) == 0 {
		return
	}
	for _, u := range c.waiters {
		if number > u.after && !u.endAhead(number) {
			u.lateLocked(n, -1)
		}
		u.lateCount = min(u.lateCount, c.counted)
	}
	c.serveLocked()
}

package resource

import (
	"cmp"
	"slices"
	"time"
)

// DefaultRevokeGrace is the default of ControllerConfig.RevokeGrace.
const DefaultRevokeGrace = 15 * time.Second

// MaxRevokeGrace bounds ControllerConfig.RevokeGrace.
const MaxRevokeGrace = time.Hour

// Revoked returns a channel that is closed when a component of higher priority, whose Budget has Revoke set, reclaims what
// this slot has borrowed from it. The holder is then expected to end its work and release the slot within
// ControllerConfig.RevokeGrace. The slot stays granted until it is released.
//
// Calling Revoked is the holder's agreement: a slot whose holder has never called it is never revoked. On a nil Slot, and
// without budgets, the channel is never closed.
func (s *Slot) Revoked() <-chan struct{} {
	if s == nil {
		return nil
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.revoked == nil {
		s.revoked = make(chan struct{})
		if l := s.c.ledger; l != nil && !s.released {
			l.revocable[s] = struct{}{}
			s.c.revokeLocked()
		}
	}
	return s.revoked
}

// revokeLocked reclaims what waiting requests of components with Budget.Revoke lack. It runs after each change that may
// leave a request waiting.
func (c *Controller) revokeLocked() {
	l := c.ledger
	if l == nil || len(l.revocable) == 0 || c.throttle.reason != nil || c.refusedByGateLocked() != nil {
		return // a slot that is returned would not be granted again
	}
	promised := map[*account]amounts{} // to earlier requests of the same component
	for _, w := range c.waiters {
		a, n := w.need.account, w.need.amounts()
		if !a.Revoke || !l.within(a, n, promised[a]) || c.beyondLocked(w) {
			continue
		}
		promised[a] = promised[a].plus(n, 1)
		for _, s := range l.selectVictims(a, c.shortageLocked(w, promised[a])) {
			s.asked = true
			l.revocations++
			close(s.revoked)
		}
	}
}

// shortageLocked returns what is missing for n, of which w is the last part, once everything reclaimed so far is released.
func (c *Controller) shortageLocked(w *waiter, n amounts) (short amounts) {
	l, kept := c.ledger, c.keptLocked(w)
	for d := range n {
		if n[d] > 0 && l.total[d] != unlimited {
			short[d] = max(l.used[d]+n[d]+kept[d]-l.total[d], 0)
		}
	}
	for s := range l.revocable {
		if s.asked {
			short = short.minus(s.need.amounts())
		}
	}
	return short
}

// selectVictims returns the grants to reclaim for owner: going up from the lowest priority, and within a priority from the
// newest grant, it takes every grant of lower priority that holds some of what is short and leaves its component its
// guarantee, until the shortage is covered. It returns none if the shortage cannot be covered.
func (l *ledger) selectVictims(owner *account, short amounts) (victims []*Slot) {
	var candidates []*Slot
	taken := map[*account]amounts{} // reclaimed from each component
	for s := range l.revocable {
		if s.asked {
			taken[s.need.account] = taken[s.need.account].plus(s.need.amounts(), 1)
		} else if s.need.account.Priority < owner.Priority {
			candidates = append(candidates, s)
		}
	}
	slices.SortFunc(candidates, func(x, y *Slot) int {
		return cmp.Or(cmp.Compare(x.need.account.Priority, y.need.account.Priority), cmp.Compare(y.number, x.number))
	})
	for _, s := range candidates {
		if short == (amounts{}) {
			break
		}
		if s.covers(short, taken[s.need.account]) {
			victims = append(victims, s)
			taken[s.need.account] = taken[s.need.account].plus(s.need.amounts(), 1)
			short = short.minus(s.need.amounts())
		}
	}
	if short != (amounts{}) {
		return nil
	}
	return victims
}

// covers reports whether s holds some of what is short and its component, of which taken is reclaimed already, would keep
// its guarantee of it.
func (s *Slot) covers(short, taken amounts) (some bool) {
	a := s.need.account
	for d, n := range s.need.amounts() {
		if short[d] > 0 && n > 0 {
			if a.used[d]-taken[d]-n < a.guaranteed[d] {
				return false
			}
			some = true
		}
	}
	return some
}

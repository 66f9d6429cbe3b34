package resource

import (
	"cmp"
	"slices"
	"time"
)

// DefaultRevokeGrace is how long a holder has from Slot.Revoked to its release.
const DefaultRevokeGrace = 15 * time.Second

// MaxRevokeGrace bounds ControllerConfig.RevokeGrace.
const MaxRevokeGrace = time.Hour

// Revoked returns a channel that is closed when a component of higher priority, whose Budget says Revoke, wants back what
// this slot has borrowed of it. Its holder then ends its work and releases the slot within ControllerConfig.RevokeGrace.
// The slot stays granted until it is released: nothing is taken by force.
//
// To call it is to agree: a slot for which it was never called is never revoked. Without budgets, and on a nil Slot, the
// channel is never closed.
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

// revokeLocked asks for what waiting requests of components that revoke are short of. It runs after each change that may
// leave one waiting.
func (c *Controller) revokeLocked() {
	l := c.ledger
	if l == nil || len(l.revocable) == 0 || c.gate.closed != nil || c.barredLocked() != nil {
		return // a slot that is given back would not be granted again
	}
	promised := map[*account]amounts{} // to those before, of the same component
	for _, w := range c.waiters {
		a, n := w.need.bill.account, w.need.amounts()
		if !a.Revoke || !l.within(a, n, promised[a]) || c.beyondLocked(w) {
			continue
		}
		promised[a] = sum(promised[a], n)
		for _, s := range c.victimsLocked(a, c.shortLocked(w, promised[a])) {
			s.asked = true
			l.revocations++
			close(s.revoked)
		}
	}
}

// shortLocked is what there is too little of for n, of which w is the last part, once everything is released that was
// asked for.
func (c *Controller) shortLocked(w *waiter, n amounts) (short amounts) {
	l, kept := c.ledger, c.keptLocked(w)
	for d := range n {
		if n[d] > 0 && l.total[d] != unlimited {
			short[d] = max(l.used[d]+n[d]+kept[d]-l.total[d], 0)
		}
	}
	for s := range l.revocable {
		if s.asked {
			short = less(short, s.need.amounts())
		}
	}
	return short
}

// victimsLocked chooses the fewest grants whose release covers what owner is short of; none when even all would not. They
// are of lower priority, and no component is left with less than its guarantee. Of equal choices it is the one of the
// lowest priorities, then the newest, which has the least work to lose.
func (c *Controller) victimsLocked(owner *account, short amounts) []*Slot {
	p := plunder{short: short, taken: map[*account]amounts{}, tries: maxTries}
	for s := range c.ledger.revocable {
		if s.asked {
			p.take(s, 1)
		}
	}
	for s := range c.ledger.revocable {
		if !s.asked && s.need.bill.account.Priority < owner.Priority && p.spare(s) {
			p.from = append(p.from, s)
		}
	}
	slices.SortFunc(p.from, func(x, y *Slot) int {
		return cmp.Or(cmp.Compare(x.need.bill.account.Priority, y.need.bill.account.Priority), cmp.Compare(y.number, x.number))
	})
	for _, s := range p.from {
		for d, n := range s.need.amounts() {
			p.largest[d] = max(p.largest[d], n)
		}
	}
	for n := range p.from {
		if p.choose(0, n+1, p.short) {
			break
		}
	}
	return p.victims
}

// maxTries bounds the search for victims. Where jobs are alike the first try is right.
const maxTries = 1 << 14

// plunder is a search for victims.
type plunder struct {
	short   amounts // what they must cover
	from    []*Slot // whom to choose from
	largest amounts // that any of them has
	taken   map[*account]amounts
	victims []*Slot
	tries   int
}

// choose takes up to n of from[i:] that cover short, and reports whether there are.
func (p *plunder) choose(i, n int, short amounts) bool {
	if short == (amounts{}) {
		return true
	}
	for d := range short {
		if short[d] > int64(n)*p.largest[d] {
			return false
		}
	}
	for ; i < len(p.from) && n > 0 && p.tries > 0; i++ {
		s := p.from[i]
		p.tries--
		if !p.spare(s) {
			continue
		}
		p.take(s, 1)
		p.victims = append(p.victims, s)
		if p.choose(i+1, n-1, less(short, s.need.amounts())) {
			return true
		}
		p.victims = p.victims[:len(p.victims)-1]
		p.take(s, -1)
	}
	return false
}

func (p *plunder) take(s *Slot, times int64) {
	sum := p.taken[s.need.bill.account]
	sum.add(s.need.amounts(), times)
	p.taken[s.need.bill.account] = sum
}

// spare reports whether the component of s would still have its guarantee of what is short.
func (p *plunder) spare(s *Slot) bool {
	a, taken := s.need.bill.account, p.taken[s.need.bill.account]
	for d, n := range s.need.amounts() {
		if p.short[d] > 0 && n > 0 && a.used[d]-taken[d]-n < a.guaranteed[d] {
			return false
		}
	}
	return true
}

package resource

// The rules of borrowing, for each thing that is counted:
//
//  1. What a component uses within its guarantee is its own. What it uses beyond that it borrows: from what nobody is
//     guaranteed, and then from guarantees that are idle, those of the lowest priority first.
//  2. It never has more than its guarantee and MaxBorrow, and never what others do not lend.
//  3. While a request waits that is within its component's guarantee, nobody borrows what that request needs, and no
//     later one takes it: so it runs after the releases that cover what it is short of. No more than that is kept.
//  4. Of those who would borrow, the component with the higher priority comes first.
//  5. All that a request needs is granted at once, or none of it.

// within reports whether n, beside what is promised already, is covered by a's guarantee.
func (l *ledger) within(a *account, n, promised amounts) bool {
	for d := range n {
		if n[d] > 0 && l.total[d] != unlimited && a.used[d]+promised[d]+n[d] > a.guaranteed[d] {
			return false
		}
	}
	return true
}

// owns reports whether w is covered by the guarantee of its component.
func (l *ledger) owns(w *waiter) bool {
	return l.within(w.need.bill.account, w.need.amounts(), amounts{})
}

// allowed reports whether the budget of w's component has room for w; place is where it has not.
func (l *ledger) allowed(w *waiter) (place int, ok bool) {
	a, n := w.need.bill.account, w.need.amounts()
	for d := range n {
		if n[d] > 0 && n[d] > a.most[d]-a.used[d] {
			return d, false
		}
	}
	return 0, true
}

// coveredLocked reports whether the budgets admit w, and otherwise why not.
func (c *Controller) coveredLocked(w *waiter) (why ErrThrottled, ok bool) {
	l, a, n := c.ledger, w.need.bill.account, w.need.amounts()
	refuse := func(d int, used, limit int64) (ErrThrottled, bool) {
		return ErrThrottled{Resource: dimensions[d], Component: a.Component, Value: float64(used), Limit: float64(limit)}, false
	}
	if d, ok := l.allowed(w); !ok {
		return refuse(d, a.used[d], a.most[d])
	}
	for d := range n { // before the look at who waits, which costs more
		if n[d] > 0 && n[d] > l.total[d]-l.used[d] {
			return refuse(d, l.used[d], l.total[d])
		}
	}
	kept := c.keptLocked(w)
	for d := range n {
		if n[d] > 0 && l.total[d] != unlimited && l.used[d]+n[d]+kept[d] > l.total[d] {
			return refuse(d, l.used[d], l.total[d]-kept[d])
		}
	}
	return ErrThrottled{}, true
}

// keptLocked is what w must leave: what is never lent, and what waiting requests need of their own guarantee. Who is
// within its guarantee, too, heeds those before it alone: two that heed each other would wait for ever.
func (c *Controller) keptLocked(w *waiter) (kept amounts) {
	l, own := c.ledger, w.need.bill.account
	for _, a := range l.accounts {
		a.held = amounts{}
	}
	owns := l.owns(w)
	for _, u := range c.waiters {
		if owns && w.before(u) {
			break
		}
		a, n := u.need.bill.account, u.need.amounts()
		if a != own && l.within(a, n, a.held) && !c.beyondLocked(u) {
			a.held.add(n, 1)
		}
	}
	for _, a := range l.accounts {
		for d := range kept {
			if a != own {
				kept[d] += max(a.floor[d]-a.used[d], a.held[d])
			}
		}
	}
	return kept
}

// apartLocked reports whether w cannot be in u's way: u waits for what other components have of their own; or the
// components of the two differ, and one is within its guarantee, which is kept for it, or u waits for its own component.
func (c *Controller) apartLocked(u, w *waiter) bool {
	l := c.ledger
	if l.taken(u) {
		return true
	}
	if u.need.bill.account == w.need.bill.account || u.need.guess && c.beyondLocked(u) {
		return false
	}
	_, allowed := l.allowed(u)
	return !allowed || l.owns(u) || l.owns(w)
}

// taken reports whether u needs more than what the other components have within their guarantees would leave. These may
// use that for ever, so that it is not for u to hold up its own component, nor who else could use the rest.
func (l *ledger) taken(u *waiter) bool {
	for d, need := range u.need.amounts() {
		if need == 0 || l.total[d] == unlimited {
			continue
		}
		left := l.total[d]
		for _, a := range l.accounts {
			if a != u.need.bill.account {
				left -= min(a.used[d], a.guaranteed[d])
			}
		}
		if need > left {
			return true
		}
	}
	return false
}

// past is what is in force and was granted past a waiting request.
type past struct {
	late amounts // by all components
	own  amounts // by its own
}

func (p *past) add(n need, times int64, own bool) {
	p.late.add(n.amounts(), times)
	if own {
		p.own.add(n.amounts(), times)
	}
}

// beside reports whether w, u and what was admitted past u fit together, by what u's component may have.
func (l *ledger) beside(u, w *waiter) bool {
	a, n, late, own := u.need.bill.account, w.need.amounts(), u.past.late, u.past.own
	late[slots] += int64(u.lateCount)
	if a == l.standard {
		own[slots] += int64(u.lateCount)
	}
	for d, need := range u.need.amounts() {
		if need == 0 {
			continue
		}
		if a == w.need.bill.account && own[d]+n[d]+need > a.most[d] || late[d]+n[d]+need > a.reach[d] {
			return false
		}
	}
	return true
}

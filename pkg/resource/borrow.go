package resource

// The rules of borrowing, for each thing that is counted:
//
//  1. A component owns what it uses within its guarantee and borrows what it uses beyond that: first what is guaranteed to
//     no component, then idle guarantees, those of the lowest priority first.
//  2. It never has more than its guarantee and MaxBorrow, and never what others do not lend.
//  3. While a request waits that is within its component's guarantee, no other component borrows what the request needs,
//     and no later request takes it. It is therefore granted after the releases that cover its shortage. No more than the
//     shortage is kept for it.
//  4. Among components that borrow, the one with the higher priority comes first.
//  5. A request is granted as a whole or not at all.

// coveredLocked reports whether the budgets admit w, and if not, why.
func (c *Controller) coveredLocked(w *waiter) (why ThrottledError, ok bool) {
	l, a, n := c.ledger, w.need.account, w.need.amounts()
	refuse := func(d int, used, limit int64) (ThrottledError, bool) {
		return ThrottledError{Resource: dimensions[d].resource, Component: a.Component, Value: float64(used), Limit: float64(limit)}, false
	}
	if d, ok := w.need.allows(); !ok {
		return refuse(d, a.used[d], a.most[d])
	}
	var kept amounts
	for _, waiting := range []bool{false, true} { // what waiting requests are owed costs more to compute
		if waiting {
			kept = c.keptLocked(w)
		}
		for d := range n {
			if n[d] > 0 && l.total[d] != unlimited && l.used[d]+n[d]+kept[d] > l.total[d] {
				return refuse(d, l.used[d], l.total[d]-kept[d])
			}
		}
	}
	return ThrottledError{}, true
}

// keptLocked returns what w must leave for other components: what they never lend, and what their waiting requests need
// within their guarantees. A request that is itself within its guarantee leaves nothing for later ones: two that left
// something for each other would wait for ever.
func (c *Controller) keptLocked(w *waiter) (kept amounts) {
	l, own := c.ledger, w.need.account
	for _, a := range l.accounts {
		a.claimed = amounts{}
	}
	owns := l.owns(w.need)
	for _, u := range c.waiters {
		if owns && w.before(u) {
			break
		}
		if a := u.need.account; a != own && l.within(a, u.need.amounts(), a.claimed) && !c.beyondLocked(u) {
			a.claimed = a.claimed.plus(u.need.amounts(), 1)
		}
	}
	for _, a := range l.accounts {
		for d := range kept {
			if a != own {
				kept[d] += max(a.floor[d]-a.used[d], a.claimed[d])
			}
		}
	}
	return kept
}

// apartLocked reports whether w cannot delay u, because u waits for what other components own, or because the two
// belong to different components and one of them is within its guarantee or u waits for its own component.
func (c *Controller) apartLocked(u, w *waiter) bool {
	if c.ledger.occupied(u.need) {
		return true
	}
	if u.need.account == w.need.account || u.need.guess && c.beyondLocked(u) {
		return false
	}
	_, allowed := u.need.allows()
	return !allowed || c.ledger.owns(u.need) || c.ledger.owns(w.need)
}

// besideLocked reports whether w, u and what was granted past u fit together within what u's component may have.
func (c *Controller) besideLocked(u, w *waiter) bool {
	a, n, late, own := u.need.account, w.need.amounts(), u.late, u.own
	late[slots] += int64(u.lateCount)
	if a == c.single.need.account {
		own[slots] += int64(u.lateCount)
	}
	for d, amount := range u.need.amounts() {
		if amount > 0 && (a == w.need.account && own[d]+n[d]+amount > a.most[d] || late[d]+n[d]+amount > a.reach[d]) {
			return false
		}
	}
	return true
}

package resource

import (
	"cmp"
	"math/bits"
)

// account is the use and the entitlement of one component.
type account struct {
	Budget
	used amounts // by grants in force

	// Derived from the budgets and the totals by ledger.settle.
	guaranteed amounts // Guaranteed, or less while there is less than all guarantees add up to
	floor      amounts // part of guaranteed that is never lent
	reach      amounts // total without the floors of the others
	most       amounts // bound of used: reach, or less by MaxBorrow
	ever       amounts // most with all slots: a request above it can never be granted

	claimed amounts // scratch of keptLocked
}

// ledger holds the accounts of all components. It belongs to a Controller, is guarded by its mutex, and is nil for good
// if nothing is budgeted.
type ledger struct {
	total    amounts // that can be in use at once; unlimited if there is no bound
	used     amounts
	accounts []*account // the one of DefaultComponent first, then in the order of the budgets

	maxReserved int64              // ControllerConfig.MaxReservedBytes
	revocable   map[*Slot]struct{} // grants in force whose holders listen to Slot.Revoked
	revocations int64              // since the beginning
}

// newLedger returns the ledger for c, or nil if c has neither budgets nor a total.
func newLedger(c ControllerConfig) *ledger {
	if len(c.Budgets) == 0 && c.MaxReservedBytes == 0 {
		return nil
	}
	l := &ledger{maxReserved: c.MaxReservedBytes, revocable: map[*Slot]struct{}{}}
	l.set([]Budget{{Component: DefaultComponent}})
	l.set(c.Budgets)
	l.settle(c.MaxConcurrentJobs, c.MaxConcurrentJobs)
	return l
}

// account returns the account of a component, or nil if it has none. An empty name is DefaultComponent.
func (l *ledger) account(component string) *account {
	component = cmp.Or(component, DefaultComponent)
	for _, a := range l.accounts {
		if a.Component == component {
			return a
		}
	}
	return nil
}

// set stores budgets in place of those of the same components.
func (l *ledger) set(budgets []Budget) {
	for _, b := range budgets {
		a := l.account(b.Component)
		if a == nil {
			a = &account{}
			l.accounts = append(l.accounts, a)
		}
		a.Budget = b
	}
}

func (l *ledger) budgets() (bs []Budget) {
	for _, a := range l.accounts {
		bs = append(bs, a.Budget)
	}
	return bs
}

// book adds n to what its component uses, the given number of times, which may be -1.
func (l *ledger) book(n need, times int64) {
	l.used = l.used.plus(n.amounts(), times)
	n.account.used = n.account.used.plus(n.amounts(), times)
}

// settle computes the entitlements where there are jobs slots now, out of all that there may be again without a change of
// the configuration: a request that only a ceiling or the adaptation forbids waits.
func (l *ledger) settle(jobs, all int) {
	l.divide(int64(all), int64(all))
	for _, a := range l.accounts {
		a.ever = a.most
	}
	l.divide(int64(jobs), int64(all))
}

// divide computes the entitlements of jobs slots. Guarantees that add up to more than there is shrink in proportion.
// Floors shrink with the slots, or else a ceiling could leave only slots that an idle component never lends.
func (l *ledger) divide(jobs, all int64) {
	var sum amounts
	for _, a := range l.accounts {
		sum = sum.plus(a.Guaranteed.amounts(), 1)
	}
	l.total = amounts{jobs, cmp.Or(l.maxReserved, sum[memory], unlimited)}
	for d, total := range l.total {
		var floors int64
		for _, a := range l.accounts {
			a.guaranteed[d] = portion(a.Guaranteed.amounts()[d], total, sum[d])
			a.floor[d] = floorOf(a.guaranteed[d], a.MaxLend.amounts()[d])
			if d == slots {
				a.floor[d] = portion(a.floor[d], jobs, all)
			}
			floors += a.floor[d]
		}
		for _, a := range l.accounts {
			a.reach[d] = total
			if total != unlimited {
				a.reach[d] -= floors - a.floor[d]
			}
			a.most[d] = min(a.reach[d], dimensions[d].most)
			if borrow := a.MaxBorrow.amounts()[d]; borrow != 0 {
				a.most[d] = min(a.most[d], a.Guaranteed.amounts()[d]+max(borrow, 0))
			}
		}
	}
}

// portion returns n × total ÷ sum, or n if sum is not above total.
func portion(n, total, sum int64) int64 {
	if sum <= total {
		return n
	}
	hi, lo := bits.Mul64(uint64(n), uint64(total))
	q, _ := bits.Div64(hi, lo, uint64(sum))
	return int64(q)
}

// floorOf returns the part of a guarantee that is never lent, where lend is an element of MaxLend.
func floorOf(guaranteed, lend int64) int64 {
	if lend == 0 {
		return 0
	}
	return max(guaranteed-max(lend, 0), 0)
}

// Floor returns the part of b's guarantee that is never lent to other components.
func (b Budget) Floor() Vector {
	var floor amounts
	for d, g := range b.Guaranteed.amounts() {
		floor[d] = floorOf(g, b.MaxLend.amounts()[d])
	}
	return floor.vector()
}

// within reports whether n, together with what has been promised, is covered by a's guarantee.
func (l *ledger) within(a *account, n, promised amounts) bool {
	for d := range n {
		if n[d] > 0 && l.total[d] != unlimited && a.used[d]+promised[d]+n[d] > a.guaranteed[d] {
			return false
		}
	}
	return true
}

// owns reports whether n is covered by the guarantee of its component.
func (l *ledger) owns(n need) bool { return l.within(n.account, n.amounts(), amounts{}) }

// allows reports whether the component of n may use as much. d is the first dimension in which it may not.
func (n need) allows() (d int, ok bool) {
	for d, amount := range n.amounts() {
		if amount > 0 && amount > n.account.most[d]-n.account.used[d] {
			return d, false
		}
	}
	return 0, true
}

// occupied reports whether n needs more than the other components leave of what they use within their guarantees. They
// may use that for ever, so a request with such a need holds up no other.
func (l *ledger) occupied(n need) bool {
	for d, amount := range n.amounts() {
		if amount == 0 || l.total[d] == unlimited {
			continue
		}
		left := l.total[d]
		for _, a := range l.accounts {
			if a != n.account {
				left -= min(a.used[d], a.guaranteed[d])
			}
		}
		if amount > left {
			return true
		}
	}
	return false
}

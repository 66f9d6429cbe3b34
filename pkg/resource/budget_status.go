package resource

import (
	"cmp"
	"slices"
)

// BudgetStatus is the state of one budget at one moment.
type BudgetStatus struct {
	Component  string `json:"component"`
	Priority   int    `json:"priority"`
	Guaranteed Vector `json:"guaranteed"` // less than configured while there are fewer slots than guarantees
	Used       Vector `json:"used"`
	Borrowed   Vector `json:"borrowed"` // part of Used above Guaranteed
	Lent       Vector `json:"lent"`     // part of Guaranteed that others have borrowed
	Debt       Vector `json:"debt"`     // part of Lent that its own waiting requests need; they get released parts first
	Waiting    int    `json:"waiting"`  // waiting requests
	Wanted     Vector `json:"wanted"`   // sum of the needs of the waiting requests
	Revoked    int    `json:"revoked"`  // its grants that are being reclaimed and are not released yet
}

// budgetsLocked returns the status of each component.
func (c *Controller) budgetsLocked() []BudgetStatus {
	l := c.ledger
	if l == nil {
		return nil
	}
	lent, owed, wanted, waiting := l.lent(), map[*account]amounts{}, map[*account]amounts{}, map[*account]int{}
	for _, w := range c.waiters {
		a, n := w.need.account, w.need.amounts()
		waiting[a]++
		if l.within(a, n, owed[a]) {
			owed[a] = owed[a].plus(n, 1)
		}
		wanted[a] = wanted[a].plus(n, 1)
	}
	revoked := map[*account]int{}
	for s := range l.revocable {
		if s.asked {
			revoked[s.need.account]++
		}
	}
	out := make([]BudgetStatus, len(l.accounts))
	for i, a := range l.accounts {
		var borrowed, debt amounts
		for d := range borrowed {
			if l.total[d] != unlimited {
				borrowed[d] = max(a.used[d]-a.guaranteed[d], 0)
			}
			debt[d] = min(lent[i][d], owed[a][d])
		}
		out[i] = BudgetStatus{
			Component: a.Component, Priority: a.Priority, Guaranteed: a.guaranteed.vector(), Used: a.used.vector(), Borrowed: borrowed.vector(),
			Lent: lent[i].vector(), Debt: debt.vector(), Waiting: waiting[a], Wanted: wanted[a].vector(), Revoked: revoked[a],
		}
	}
	return out
}

// lent returns how much of each account's guarantee is borrowed: what is guaranteed to no component is borrowed first, then
// the guarantees of the lowest priority. A MaxLend is exceeded only if it was lowered meanwhile.
func (l *ledger) lent() []amounts {
	out := make([]amounts, len(l.accounts))
	order := make([]int, len(l.accounts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(l.accounts[i].Priority, l.accounts[j].Priority) })
	for d, total := range l.total {
		if total == unlimited {
			continue
		}
		borrowed := -total // so that what is guaranteed to no component is subtracted
		for _, a := range l.accounts {
			borrowed += max(a.used[d], a.guaranteed[d])
		}
		for _, most := range []func(*account) int64{
			func(a *account) int64 { return a.guaranteed[d] - max(a.used[d], a.floor[d]) },
			func(a *account) int64 { return a.guaranteed[d] - a.used[d] },
		} {
			for _, i := range order {
				part := min(max(most(l.accounts[i])-out[i][d], 0), max(borrowed, 0))
				out[i][d] += part
				borrowed -= part
			}
		}
	}
	return out
}

package resource

import (
	"cmp"
	"slices"
)

// BudgetStatus is the book of one component in one moment.
type BudgetStatus struct {
	Component  string `json:"component"`
	Priority   int    `json:"priority"`
	Guaranteed Vector `json:"guaranteed"` // less than its budget says while there are fewer slots than are guaranteed
	Used       Vector `json:"used"`
	Borrowed   Vector `json:"borrowed"` // of Used, what is over Guaranteed
	Lent       Vector `json:"lent"`     // of Guaranteed, what others have borrowed
	Debt       Vector `json:"debt"`     // of Lent, what its own waiting requests need now: released parts go to them first
	Waiting    int    `json:"waiting"`  // requests that wait
	Wanted     Vector `json:"wanted"`   // what they need
	Revoked    int    `json:"revoked"`  // its grants that were asked back and are not released yet
}

// budgetsLocked returns the status of each component.
func (c *Controller) budgetsLocked() []BudgetStatus {
	l := c.ledger
	if l == nil {
		return nil
	}
	lent, owed, wanted, waiting := l.lent(), map[*account]amounts{}, map[*account]amounts{}, map[*account]int{}
	for _, w := range c.waiters {
		a, n := w.need.bill.account, w.need.amounts()
		waiting[a]++
		if l.within(a, n, owed[a]) {
			owed[a] = sum(owed[a], n)
		}
		wanted[a] = sum(wanted[a], n)
	}
	revoked := map[*account]int{}
	for s := range l.revocable {
		if s.asked {
			revoked[s.need.bill.account]++
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

// lent says whose guarantees the borrowed parts are taken from, in the order of accounts: what nobody is guaranteed is
// borrowed first, then what belongs to the lowest priority. Only where a MaxLend was lowered meanwhile is it exceeded.
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
		borrowed := -total // and so less what nobody is guaranteed
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

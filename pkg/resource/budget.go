package resource

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// DefaultComponent is the component of a request that names none, and of the counter API. Without a budget of its own
// it has no guarantee, and borrows whatever is free.
const DefaultComponent = "default"

// MaxBudgets is the most components that may have a budget.
const MaxBudgets = 64

// Budget is what one component may count on, and what it may have beyond that. The zero value guarantees nothing and
// bounds nothing.
type Budget struct {
	Component  string // whose budget it is: what Request.Component says
	Guaranteed Vector // the component's own: what others borrow of it comes back to it first
	MaxBorrow  Vector // most that it may take over its guarantee; a zero field: whatever is free; -1: nothing
	MaxLend    Vector // most of its guarantee that others may borrow while it is idle; a zero field: all of it; -1: nothing

	// Priority decides among components that want to borrow: the higher one is served first. A guarantee is stronger
	// than any priority. Default 0.
	Priority int
	// Revoke makes the component take its guarantee back from jobs of lower priority that hold borrowed parts of it,
	// where those agree to it: see Slot.Revoked. Without it the component waits until they end.
	Revoke bool
	// Elasticity is the share of the guarantee, 0 to 1, that a rebalancing policy may move to other components.
	Elasticity float64
}

// MaxBudgetPriority bounds Budget.Priority, below zero, too.
const MaxBudgetPriority = 1000

// ErrUnknownComponent says that a request names a component that has no budget. Functions return a *ErrUnknownComponent.
type ErrUnknownComponent struct{ Component string }

func (e *ErrUnknownComponent) Error() string {
	return fmt.Sprintf("no budget for component %q", e.Component)
}

// account is the book of one component.
type account struct {
	Budget

	used  amounts // of its grants in force
	plain charge  // of requests that name nothing but slots and memory

	// Following from the budgets and the totals, see ledger.settle.
	guaranteed amounts // what the totals leave of Guaranteed
	floor      amounts // of that, what is never lent
	reach      amounts // what the others may never keep from it
	most       amounts // used is never raised above it: reach, or less by MaxBorrow
	hope       amounts // most with all slots: what is over it can never be granted

	held amounts // scratch of keptLocked
}

// ledger keeps the books of all components. It belongs to a Controller and is guarded by its mutex; there is none
// where nothing is budgeted.
type ledger struct {
	total    amounts // that can be in use at once; unlimited: no bound
	used     amounts
	accounts []*account // the default one first, then in the order they came
	standard *account   // of DefaultComponent

	limits    amounts            // of the configuration: zero means what the budgets guarantee
	revocable map[*Slot]struct{} // grants in force whose holders listen to Slot.Revoked

	revocations int64 // ever
}

// newLedger returns the books for c, nil if there is nothing to keep.
func newLedger(c ControllerConfig) *ledger {
	l := &ledger{
		limits:    amounts{memory: c.MaxReservedBytes, goroutines: int64(c.MaxGoroutines), connections: int64(c.MaxConnections)},
		revocable: make(map[*Slot]struct{}),
	}
	if len(c.Budgets) == 0 && l.limits == (amounts{}) {
		return nil
	}
	l.set([]Budget{{Component: DefaultComponent}})
	l.standard = l.accounts[0]
	l.set(c.Budgets)
	l.settle(c.MaxConcurrentJobs, c.MaxConcurrentJobs)
	return l
}

// charge is what a request costs beyond slots and memory, and who pays.
type charge struct {
	account                 *account
	goroutines, connections int
}

// bill makes out the charge for r.
func (l *ledger) bill(r Request) (*charge, error) {
	component := cmp.Or(r.Component, DefaultComponent)
	a := l.account(component)
	switch {
	case a == nil:
		return nil, &ErrUnknownComponent{component}
	case r.Goroutines == 0 && r.Connections == 0:
		return &a.plain, nil
	}
	return &charge{a, r.Goroutines, r.Connections}, nil
}

// amounts is all that n takes where there are budgets.
func (n need) amounts() amounts {
	return amounts{int64(n.slots), n.memory, int64(n.bill.goroutines), int64(n.bill.connections)}
}

// book enters n, once, or takes it off again, -1 times.
func (l *ledger) book(n need, times int64) {
	l.used.add(n.amounts(), times)
	n.bill.account.used.add(n.amounts(), times)
}

// account returns the book of a component, nil if it has none.
func (l *ledger) account(component string) *account {
	for _, a := range l.accounts {
		if a.Component == component {
			return a
		}
	}
	return nil
}

// set takes budgets, in place of those of the same components.
func (l *ledger) set(budgets []Budget) {
	for _, b := range budgets {
		a := l.account(b.Component)
		if a == nil {
			a = &account{}
			a.plain.account = a
			l.accounts = append(l.accounts, a)
		}
		a.Budget = b
	}
}

// budgets returns those in force.
func (l *ledger) budgets() (bs []Budget) {
	for _, a := range l.accounts {
		bs = append(bs, a.Budget)
	}
	return bs
}

// settle finds what follows from the budgets where there are jobs slots, of all that there may be again without anybody's
// word. Who needs more than the few that a ceiling or the adaptation has left waits for better times.
func (l *ledger) settle(jobs, all int) {
	l.divide(all, all)
	for _, a := range l.accounts {
		a.hope = a.most
	}
	l.divide(jobs, all)
}

// divide finds the parts of jobs slots, and of all else. Guarantees that are more than there is, because
// the number of slots was lowered, shrink alike; what rounding leaves is for whoever comes first. What is never lent shrinks
// with the slots, or the few that are left might be nobody's but an idle component's.
func (l *ledger) divide(jobs, all int) {
	var sum amounts
	for _, a := range l.accounts {
		sum.add(a.Guaranteed.amounts(), 1)
	}
	for d := range sum {
		l.total[d] = l.limits[d]
		switch {
		case d == slots:
			l.total[d] = int64(jobs)
		case l.limits[d] == 0 && sum[d] > 0:
			l.total[d] = sum[d]
		case l.limits[d] == 0:
			l.total[d] = unlimited
		}
		for _, a := range l.accounts {
			a.settle(d, sum[d], l.total[d])
			if d == slots && jobs < all {
				a.floor[d] = a.floor[d] * int64(jobs) / int64(all)
			}
		}
		l.bound(d)
	}
}

func (a *account) settle(d int, sum, total int64) {
	a.guaranteed[d] = a.Guaranteed.amounts()[d]
	if sum > total {
		hi, lo := bits.Mul64(uint64(a.guaranteed[d]), uint64(total))
		share, _ := bits.Div64(hi, lo, uint64(sum))
		a.guaranteed[d] = int64(share)
	}
	switch lend := a.MaxLend.amounts()[d]; lend {
	case 0:
		a.floor[d] = 0
	case -1:
		a.floor[d] = a.guaranteed[d]
	default:
		a.floor[d] = max(a.guaranteed[d]-lend, 0)
	}
}

// bound finds the most that each component may use: its guarantee with what it may borrow, but nothing that others
// never lend.
func (l *ledger) bound(d int) {
	var floors int64
	for _, a := range l.accounts {
		floors += a.floor[d]
	}
	for _, a := range l.accounts {
		a.reach[d] = l.total[d]
		if l.total[d] != unlimited {
			a.reach[d] -= floors - a.floor[d]
		}
		a.most[d] = min(a.reach[d], fields[d].most)
		if borrow := a.MaxBorrow.amounts()[d]; borrow != 0 {
			a.most[d] = min(a.most[d], a.Guaranteed.amounts()[d]+max(borrow, 0))
		}
	}
}

// Budgets returns the budgets in force, that of DefaultComponent first; none where nothing is budgeted.
func (c *Controller) Budgets() []Budget {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ledger == nil {
		return nil
	}
	return c.ledger.budgets()
}

// SetBudgets puts budgets in the place of those of the same components, all at once or, with an error that names each
// problem, none. More room serves waiting requests at once. Less revokes nothing: what is in force stays until it is
// released. A waiting request that its component's budget does not allow any more fails with ErrTooLarge. It fails on a
// controller that was made without budgets.
func (c *Controller) SetBudgets(budgets ...Budget) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ledger == nil {
		return errors.New("controller was made without budgets")
	}
	var next ledger
	next.set(c.ledger.budgets())
	next.set(budgets)
	cfg := c.cfg
	cfg.Budgets, cfg.MaxConcurrentJobs = next.budgets(), max(c.wanted, c.cfg.MaxConcurrentJobs)
	if err := errors.Join(append(named(budgets), cfg.budgetSums()...)...); err != nil {
		return err
	}
	if len(cfg.Budgets) > MaxBudgets+1 { // with the default one
		return fmt.Errorf("budgets: %d are more than %d", len(cfg.Budgets)-1, MaxBudgets)
	}
	c.ledger.set(budgets)
	c.ledger.settle(c.max, c.allLocked())
	slices.SortStableFunc(c.waiters, func(x, y *waiter) int {
		if x.before(y) {
			return -1
		}
		return 1
	})
	c.serveLocked()
	return nil
}

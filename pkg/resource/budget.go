package resource

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/rediverio/sdk/internal/config"
)

// DefaultComponent is the component of requests that name none, and of the counter API. Without a budget of its own it
// has no guarantee and borrows what is free.
const DefaultComponent = "default"

// Bounds of budgets.
const (
	MaxBudgets        = 64   // components that may have a budget
	MaxBudgetPriority = 1000 // bound of Budget.Priority, above and below zero
)

// Budget is what one component may count on, and what it may have beyond that. The zero value guarantees nothing and
// bounds nothing.
type Budget struct {
	// Component is the name that requests give as Request.Component: 1 to 64 characters of A-Z a-z 0-9 _ . -
	Component string

	// Guaranteed is the component's own part. What others have borrowed of it returns to it first.
	Guaranteed Vector

	// MaxBorrow is the most that the component may use beyond its guarantee. A zero field means whatever is free, -1 nothing.
	MaxBorrow Vector

	// MaxLend is the most of the guarantee that others may borrow while it is idle. A zero field means all of it, -1 nothing.
	MaxLend Vector

	// Priority decides among components that want to borrow: the higher one is served first. A guarantee precedes
	// any priority. Defaults to 0.
	Priority int

	// Revoke makes the component reclaim its guarantee from jobs of lower priority that hold borrowed parts of it and that
	// have agreed to it by calling Slot.Revoked. Without Revoke the component waits until those jobs end.
	Revoke bool

	// Elasticity is the share of the guarantee, 0 to 1, that a rebalancing policy may move to other components.
	Elasticity float64
}

// UnknownComponentError is returned for a request that names a component without a budget.
type UnknownComponentError struct{ Component string }

func (e *UnknownComponentError) Error() string {
	return fmt.Sprintf("no budget for component %q", e.Component)
}

// Budgets returns the budgets in force, the one of DefaultComponent first, or nil if the controller has none.
func (c *Controller) Budgets() []Budget {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ledger == nil {
		return nil
	}
	return c.ledger.budgets()
}

// SetBudgets replaces the budgets of the same components, all of them or, with an error that names each problem, none.
// A larger budget serves waiting requests at once. A smaller one revokes nothing: grants in force stay until they are
// released, and a waiting request that its component's budget no longer allows fails with a *TooLargeError. SetBudgets
// fails on a controller that was created without budgets.
func (c *Controller) SetBudgets(budgets ...Budget) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ledger == nil {
		return errors.New("controller was created without budgets")
	}
	var next ledger
	next.set(c.ledger.budgets())
	next.set(budgets)
	cfg := c.cfg
	cfg.Budgets, cfg.MaxConcurrentJobs = next.budgets(), max(c.wanted, c.cfg.MaxConcurrentJobs)
	v := config.New("resource")
	validateBudgets(v, budgets)
	cfg.validateTotals(v)
	if err := v.Err(); err != nil {
		return err
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

var componentName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// validateBudgets reports what is wrong with each of budgets by itself, with its index in the list.
func validateBudgets(v *config.Validator, budgets []Budget) {
	seen := map[string]bool{}
	for i, b := range budgets {
		name := func(field string) string { return fmt.Sprintf("budgets.%d.%s", i, field) }
		if !componentName.MatchString(b.Component) {
			v.Addf(name("component"), "%.80q: want 1 to 64 of A-Z a-z 0-9 _ . -", b.Component)
		} else if seen[b.Component] {
			v.Addf(name("component"), "%s has another budget above", b.Component)
		}
		seen[b.Component] = true
		for _, part := range []struct {
			field string
			value Vector
			least int64
		}{{"guaranteed", b.Guaranteed, 0}, {"max_borrow", b.MaxBorrow, -1}, {"max_lend", b.MaxLend, -1}} {
			for d, n := range part.value.amounts() {
				config.Range(v, name(part.field+"."+dimensions[d].field), n, part.least, dimensions[d].most)
			}
		}
		config.Range(v, name("priority"), b.Priority, -MaxBudgetPriority, MaxBudgetPriority)
		config.Range(v, name("elasticity"), b.Elasticity, 0, 1)
	}
}

// validateTotals reports where the budgets are too many or together guarantee more than there is.
func (c ControllerConfig) validateTotals(v *config.Validator) {
	var sum amounts
	named := 0 // without the default component
	for _, b := range c.Budgets {
		sum = sum.plus(b.Guaranteed.amounts(), 1)
		if b.Component != DefaultComponent {
			named++
		}
	}
	if named > MaxBudgets {
		v.Addf("budgets", "%d are more than %d", named, MaxBudgets)
	}
	if jobs := int64(c.MaxConcurrentJobs); sum[slots] > jobs {
		v.Addf("budgets", "together they guarantee %d slots, more than max_concurrent_jobs (%d)", sum[slots], jobs)
	}
	if c.MaxReservedBytes > 0 && sum[memory] > c.MaxReservedBytes {
		v.Addf("budgets", "together they guarantee %d memory_bytes, more than max_reserved_bytes (%d)", sum[memory], c.MaxReservedBytes)
	}
}

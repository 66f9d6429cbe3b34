package resource

import (
	"errors"
	"fmt"
	"regexp"
)

var componentName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// named returns what is wrong with each of budgets by itself, with its place in the list.
func named(budgets []Budget) (errs []error) {
	seen := map[string]bool{}
	for i, b := range budgets {
		bad := func(field, format string, args ...any) {
			errs = append(errs, fmt.Errorf("budgets.%d.%s: %w", i, field, fmt.Errorf(format, args...)))
		}
		if !componentName.MatchString(b.Component) {
			bad("component", "%.80q: want 1 to 64 of A-Z a-z 0-9 _ . -", b.Component)
		} else if seen[b.Component] {
			bad("component", "%s has a budget above", b.Component)
		}
		seen[b.Component] = true
		b.Guaranteed.check(0, func(field string, err error) { bad("guaranteed."+field, "%w", err) })
		b.MaxBorrow.check(-1, func(field string, err error) { bad("max_borrow."+field, "%w", err) })
		b.MaxLend.check(-1, func(field string, err error) { bad("max_lend."+field, "%w", err) })
		if b.Priority < -MaxBudgetPriority || b.Priority > MaxBudgetPriority {
			bad("priority", "%d is outside %d to %d", b.Priority, -MaxBudgetPriority, MaxBudgetPriority)
		}
		if !(b.Elasticity >= 0 && b.Elasticity <= 1) {
			bad("elasticity", "%v is outside 0 to 1", b.Elasticity)
		}
	}
	if len(budgets) > MaxBudgets {
		errs = append(errs, fmt.Errorf("budgets: %d are more than %d", len(budgets), MaxBudgets))
	}
	return errs
}

// fields are the names of the places of an amounts in a configuration, and the most that makes sense in each.
var fields = [...]struct {
	name string
	most int64
}{slots: {"slots", MaxJobs}, memory: {"memory_bytes", maxMemory}, goroutines: {"goroutines", maxCount}, connections: {"connections", maxCount}}

// The most that one request, and one budget, may name: so that sums of them are no overflow. A request for more memory
// counts as one for this much, which no host has.
const (
	maxMemory = 1 << 50
	maxCount  = 1 << 30
)

func (v Vector) check(least int64, bad func(field string, err error)) {
	for d, n := range v.amounts() {
		if n < least || n > fields[d].most {
			bad(fields[d].name, fmt.Errorf("%d is outside %d to %d", n, least, fields[d].most))
		}
	}
}

// budgetSums returns where the budgets together guarantee more than there is.
func (c ControllerConfig) budgetSums() (errs []error) {
	var sum amounts
	for _, b := range c.Budgets {
		sum.add(b.Guaranteed.amounts(), 1)
	}
	most := amounts{int64(c.MaxConcurrentJobs), c.MaxReservedBytes, int64(c.MaxGoroutines), int64(c.MaxConnections)}
	names := [...]string{slots: "max_concurrent_jobs", memory: "max_reserved_bytes", goroutines: "max_goroutines", connections: "max_connections"}
	for d := range sum {
		if sum[d] > most[d] && (most[d] > 0 || d == slots) {
			errs = append(errs, fmt.Errorf("budgets: together they guarantee %d %s, more than %s (%d)", sum[d], fields[d].name, names[d], most[d]))
		}
	}
	return errs
}

// budgetProblems lists what is wrong with the fields that concern budgets.
func (c ControllerConfig) budgetProblems() (ps []problem) {
	total := func(name string, v, most int64, fix func(*ControllerConfig)) {
		if v < 0 || v > most {
			ps = append(ps, problem{fmt.Errorf("%s: %d is outside 0 to %d", name, v, most), fix})
		}
	}
	total("max_reserved_bytes", c.MaxReservedBytes, maxMemory, func(c *ControllerConfig) { c.MaxReservedBytes = 0 })
	total("max_goroutines", int64(c.MaxGoroutines), maxCount, func(c *ControllerConfig) { c.MaxGoroutines = 0 })
	total("max_connections", int64(c.MaxConnections), maxCount, func(c *ControllerConfig) { c.MaxConnections = 0 })
	if c.RevokeGrace < 0 || c.RevokeGrace > MaxRevokeGrace {
		ps = append(ps, problem{fmt.Errorf("revoke_grace: %v is outside 0 to %v", c.RevokeGrace, MaxRevokeGrace),
			func(c *ControllerConfig) { c.RevokeGrace = DefaultRevokeGrace }})
	}
	if err := errors.Join(named(c.Budgets)...); err != nil {
		ps = append(ps, problem{err, func(c *ControllerConfig) { c.Budgets = nil }})
	}
	for _, err := range c.budgetSums() {
		ps = append(ps, problem{err, func(*ControllerConfig) {}}) // guarantees shrink to what there is
	}
	return ps
}

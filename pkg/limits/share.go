package limits

import (
	"fmt"
	"math"

	"github.com/rediverio/sdk/pkg/resource"
)

// shares looks at the controller.
func (r *Rebalancer) shares() []Share {
	now := map[string]resource.BudgetStatus{}
	for _, s := range r.controller.GetStatus().Budgets {
		now[s.Component] = s
	}
	out := make([]Share, len(r.base))
	for i, b := range r.base {
		s := now[b.Component]
		out[i] = Share{Component: b.Component, Base: b.Guaranteed, Least: least(b), Most: r.most(b), Used: s.Used, Wanted: s.Wanted}
	}
	return out
}

func least(b resource.Budget) resource.Vector {
	out := b.Floor().Array()
	for d, g := range b.Guaranteed.Array() {
		out[d] = max(out[d], int64(math.Ceil(float64(g)*(1-b.Elasticity)-1e-9)))
	}
	return resource.VectorOf(out)
}

// most is what b may have at all; where it may borrow without bound, all that is guaranteed.
func (r *Rebalancer) most(b resource.Budget) resource.Vector {
	out, borrow := b.Guaranteed.Array(), b.MaxBorrow.Array()
	for d := range out {
		switch {
		case borrow[d] > 0:
			out[d] += borrow[d]
		case borrow[d] == 0:
			out[d] = 0
			for _, o := range r.base {
				out[d] += o.Guaranteed.Array()[d]
			}
		}
	}
	return resource.VectorOf(out)
}

// entitled is b with another guarantee: what it may have at most, and what it never lends, stays.
func entitled(b resource.Budget, guaranteed resource.Vector) resource.Budget {
	floors, base, now := b.Floor().Array(), b.Guaranteed.Array(), guaranteed.Array()
	borrow, lend := b.MaxBorrow.Array(), b.MaxLend.Array()
	for d := range now {
		if borrow[d] != 0 {
			borrow[d] = orNothing(base[d] + max(borrow[d], 0) - now[d])
		}
		if lend[d] != 0 {
			lend[d] = orNothing(now[d] - floors[d])
		}
	}
	b.Guaranteed, b.MaxBorrow, b.MaxLend = guaranteed, resource.VectorOf(borrow), resource.VectorOf(lend)
	return b
}

// orNothing writes 0 as -1, as bounds of a budget do.
func orNothing(n int64) int64 {
	if n <= 0 {
		return -1
	}
	return n
}

// legal says what rule a proposal breaks.
func legal(shares []Share, proposed []resource.Vector) error {
	if len(proposed) != len(shares) {
		return fmt.Errorf("%d guarantees are proposed for %d components", len(proposed), len(shares))
	}
	for d, unit := range units {
		var is, was int64
		for i, s := range shares {
			n, least, most := proposed[i].Array()[d], s.Least.Array()[d], s.Most.Array()[d]
			if n < least || n > most {
				return fmt.Errorf("%s: %d %s are proposed, outside %d to %d", s.Component, n, unit, least, most)
			}
			is, was = is+n, was+s.Base.Array()[d]
		}
		if is != was {
			return fmt.Errorf("%d %s are proposed, of %d that are guaranteed", is, unit, was)
		}
	}
	return nil
}

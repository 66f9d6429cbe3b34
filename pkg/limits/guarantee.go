package limits

import (
	"fmt"
	"math"

	"github.com/rediverio/sdk/pkg/resource"
)

// dimensions are the names of the elements of resource.Vector.Array.
var dimensions = [...]string{"slots", "memory_bytes"}

type amounts = [len(dimensions)]int64

// minGuarantee returns what a rebalancing leaves of the guarantee of b, by its Elasticity and its MaxLend.
func minGuarantee(b resource.Budget) resource.Vector {
	out := b.Floor().Array()
	for d, g := range b.Guaranteed.Array() {
		out[d] = max(out[d], int64(math.Ceil(float64(g)*(1-b.Elasticity)-1e-9)))
	}
	return resource.VectorOf(out)
}

// maxGuarantee returns what the guarantee of b may grow to: the maximum that b may use, or all guarantees if it may borrow
// without bound.
func maxGuarantee(b resource.Budget, all []resource.Budget) resource.Vector {
	out, borrow := b.Guaranteed.Array(), b.MaxBorrow.Array()
	for d := range out {
		switch {
		case borrow[d] > 0:
			out[d] += borrow[d]
		case borrow[d] == 0:
			out[d] = 0
			for _, o := range all {
				out[d] += o.Guaranteed.Array()[d]
			}
		}
	}
	return resource.VectorOf(out)
}

// withGuarantee returns b with another guarantee. The maximum that b may use and its floor stay the same.
func withGuarantee(b resource.Budget, guaranteed resource.Vector) resource.Budget {
	floor, base, now := b.Floor().Array(), b.Guaranteed.Array(), guaranteed.Array()
	borrow, lend := b.MaxBorrow.Array(), b.MaxLend.Array()
	for d := range now {
		if borrow[d] != 0 {
			borrow[d] = orNone(base[d] + max(borrow[d], 0) - now[d])
		}
		if lend[d] != 0 {
			lend[d] = orNone(now[d] - floor[d])
		}
	}
	b.Guaranteed, b.MaxBorrow, b.MaxLend = guaranteed, resource.VectorOf(borrow), resource.VectorOf(lend)
	return b
}

// orNone returns n, or -1 if it is not positive: in the bounds of a budget, -1 means none and 0 means unlimited.
func orNone(n int64) int64 {
	if n <= 0 {
		return -1
	}
	return n
}

// checkProposal returns an error if proposed breaks a rule of Policy.Propose.
func checkProposal(shares []Share, proposed []resource.Vector) error {
	if len(proposed) != len(shares) {
		return fmt.Errorf("policy proposed %d guarantees for %d components", len(proposed), len(shares))
	}
	for d, name := range dimensions {
		var sum, want int64
		for i, s := range shares {
			n, least, most := proposed[i].Array()[d], s.Least.Array()[d], s.Most.Array()[d]
			if n < least || n > most {
				return fmt.Errorf("policy proposed %d %s for %s, outside %d to %d", n, name, s.Component, least, most)
			}
			sum, want = sum+n, want+s.Base.Array()[d]
		}
		if sum != want {
			return fmt.Errorf("policy proposed %d %s in total, want %d", sum, name, want)
		}
	}
	return nil
}

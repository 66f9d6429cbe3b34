package limits

import (
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

// Share is what a component has and wants at one moment.
type Share struct {
	Component string
	Base      resource.Vector // Base is the configured guarantee.
	Least     resource.Vector // Least is what the component keeps of Base, by its Elasticity and MaxLend.
	Most      resource.Vector // Most is what the guarantee may grow to, by MaxBorrow.
	Used      resource.Vector // Used is what running jobs use.
	Wanted    resource.Vector // Wanted is what waiting requests ask for.
}

// demand returns what the component uses and waits for.
func (s Share) demand() amounts {
	out := s.Used.Array()
	for d, n := range s.Wanted.Array() {
		out[d] += n
	}
	return out
}

// Policy decides how guarantees should be divided. A Rebalancer calls it one call at a time, with increasing times and with
// the same components in the same order.
type Policy interface {
	// Propose returns the guarantee of each share in their order and the reason, or nil for no change. Each guarantee must
	// lie between Least and Most, and their sum must equal the sum of Base; otherwise the whole proposal is refused.
	Propose(now time.Time, shares []Share) (guarantees []resource.Vector, reason string)
}

// LoadPolicy moves unused guarantees to components that want more than their own. Each proposal starts from the configured
// guarantees, so that a moved part returns to its owner as soon as the owner wants it.
type LoadPolicy struct{}

// Propose implements Policy.
func (LoadPolicy) Propose(_ time.Time, shares []Share) ([]resource.Vector, string) {
	demand := make([]amounts, len(shares))
	for i, s := range shares {
		demand[i] = s.demand()
	}
	return divide(shares, demand)
}

// divide moves guarantees from components with less demand than guarantee to components with more, in proportion to what
// each has to spare and lacks.
func divide(shares []Share, demand []amounts) ([]resource.Vector, string) {
	out := make([]amounts, len(shares))
	var reasons []string
	for d, name := range dimensions {
		spare, lack := make([]int64, len(shares)), make([]int64, len(shares))
		for i, s := range shares {
			base, want := s.Base.Array()[d], demand[i][d]
			out[i][d] = base
			spare[i] = max(base-max(want, s.Least.Array()[d]), 0)
			lack[i] = max(min(want, s.Most.Array()[d])-base, 0)
		}
		n := min(total(spare), total(lack))
		if n == 0 {
			continue
		}
		give, take := apportion(spare, n), apportion(lack, n)
		var from, to []string
		for i, s := range shares {
			out[i][d] += take[i] - give[i]
			if give[i] > 0 {
				from = append(from, s.Component)
			}
			if take[i] > 0 {
				to = append(to, s.Component)
			}
		}
		reasons = append(reasons, fmt.Sprintf("%s: %d unused of %s to %s", name, n, strings.Join(from, ", "), strings.Join(to, ", ")))
	}
	vectors := make([]resource.Vector, len(out))
	for i, v := range out {
		vectors[i] = resource.VectorOf(v)
	}
	if len(reasons) == 0 {
		return vectors, "no component lacks what another has unused"
	}
	return vectors, strings.Join(reasons, "; ")
}

func total(ns []int64) (sum int64) {
	for _, n := range ns {
		sum += n
	}
	return sum
}

// apportion divides n, at most the sum of weights, in proportion to weights. No part is larger than its weight.
func apportion(weights []int64, n int64) []int64 {
	parts := make([]int64, len(weights))
	sum, rest := total(weights), n
	for i, w := range weights {
		hi, lo := bits.Mul64(uint64(w), uint64(n))
		q, _ := bits.Div64(hi, lo, uint64(sum))
		parts[i] = int64(q)
		rest -= parts[i]
	}
	for i := 0; rest > 0; i = (i + 1) % len(parts) { // the remainder of the rounding
		if parts[i] < weights[i] {
			parts[i]++
			rest--
		}
	}
	return parts
}

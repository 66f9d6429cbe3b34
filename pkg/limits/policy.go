package limits

import (
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

// Share is what a component has and wants in one moment, as a Policy sees it.
type Share struct {
	Component string
	Base      resource.Vector // its guarantee as it was configured
	Least     resource.Vector // what it keeps of that in any case: by its Elasticity and its MaxLend
	Most      resource.Vector // what its guarantee may grow to: by its MaxBorrow
	Used      resource.Vector
	Wanted    resource.Vector // by its requests that wait
}

// Policy says how guarantees should be divided. It only computes: a Rebalancer asks it, from one goroutine, with times that
// do not go back and with the same components in the same order.
type Policy interface {
	// Propose returns the guarantee of each share, in their order, and why; none to leave everything as it is. Each is
	// between Least and Most, and their sum is that of Base: a proposal that is not is refused as a whole.
	Propose(now time.Time, shares []Share) (guarantees []resource.Vector, reason string)
}

// LoadPolicy moves guarantees that are not used to where more is wanted than is guaranteed. It starts from the configured
// guarantees each time: what was moved is its owner's again as soon as that wants it. The zero value is ready.
type LoadPolicy struct{}

// Propose is that of Policy.
func (LoadPolicy) Propose(_ time.Time, shares []Share) ([]resource.Vector, string) {
	wants := make([][2]int64, len(shares))
	for i, s := range shares {
		used, wanted := s.Used.Array(), s.Wanted.Array()
		for d := range used {
			wants[i][d] = used[d] + wanted[d]
		}
	}
	return divide(shares, wants)
}

// units are the names of the fields of a resource.Vector.
var units = [...]string{"slots", "memory_bytes"}

// divide takes from those who want less than they are guaranteed, and gives to those who want more, to each by its share.
func divide(shares []Share, wants [][2]int64) ([]resource.Vector, string) {
	out := make([][2]int64, len(shares))
	var reasons []string
	for d := range units {
		spare, lack := make([]int64, len(shares)), make([]int64, len(shares))
		for i, s := range shares {
			base, want := s.Base.Array()[d], wants[i][d]
			out[i][d] = base
			spare[i] = max(base-max(want, s.Least.Array()[d]), 0)
			lack[i] = max(min(want, s.Most.Array()[d])-base, 0)
		}
		n := min(total(spare), total(lack))
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
		if n > 0 {
			reasons = append(reasons, fmt.Sprintf("%s: %d unused of %s to %s", units[d], n, strings.Join(from, ", "), strings.Join(to, ", ")))
		}
	}
	vectors := make([]resource.Vector, len(out))
	for i, v := range out {
		vectors[i] = resource.VectorOf(v)
	}
	if len(reasons) == 0 {
		return vectors, "nobody lacks what another has unused"
	}
	return vectors, strings.Join(reasons, "; ")
}

func total(ns []int64) (sum int64) {
	for _, n := range ns {
		sum += n
	}
	return sum
}

// apportion divides n, at most the sum of weights, by weight. Nobody gets more than its weight.
func apportion(weights []int64, n int64) []int64 {
	parts := make([]int64, len(weights))
	sum, rest := total(weights), n
	for i, w := range weights {
		if sum > 0 {
			hi, lo := bits.Mul64(uint64(w), uint64(n))
			q, _ := bits.Div64(hi, lo, uint64(sum))
			parts[i] = int64(q)
			rest -= parts[i]
		}
	}
	for i := 0; rest > 0; i = (i + 1) % len(parts) { // what rounding left
		if parts[i] < weights[i] {
			parts[i]++
			rest--
		}
	}
	return parts
}

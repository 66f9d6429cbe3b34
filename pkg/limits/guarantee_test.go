package limits

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

// A part that was moved together with more returns to its owner when that wants it, even if it is less than MinChange.
func TestSmallPartReturnsToItsOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := resource.NewController(&resource.ControllerConfig{MaxConcurrentJobs: 40, Budgets: []resource.Budget{
			{Component: "big", Guaranteed: resource.Vector{Slots: 20}, Elasticity: 1},
			{Component: "idle", Guaranteed: resource.Vector{Slots: 18}, Elasticity: 1},
			{Component: "small", Guaranteed: resource.Vector{Slots: 2}, Elasticity: 1},
		}})
		defer c.Stop()
		r, err := NewRebalancer(c, RebalanceConfig{Policy: PolicyLoad}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer drive(r)()
		big, small := crowd{c: c, component: "big"}, crowd{c: c, component: "small"}
		defer small.set(0)
		defer big.set(0)
		guaranteed := func() int {
			time.Sleep(3 * DefaultRebalanceInterval)
			return c.Budgets()[3].Guaranteed.Slots
		}
		big.set(40)
		if n := guaranteed(); n != 0 {
			t.Fatalf("small keeps %d", n)
		}
		for n := 1; n <= 2; n++ {
			small.set(n)
			if got := guaranteed(); got != n {
				t.Errorf("small wants %d of the 2 slots that are its own, and has %d", n, got)
			}
		}
	})
}

package resource_test

import (
	"context"
	"fmt"

	"github.com/rediverio/sdk/pkg/resource"
)

// How do scanners share a host, so that each has its part and nothing lies idle?
func ExampleBudget() {
	controller := resource.NewController(&resource.ControllerConfig{
		MaxConcurrentJobs: 8,
		Budgets: []resource.Budget{
			{Component: "semgrep", Guaranteed: resource.Vector{Slots: 3}, MaxLend: resource.Vector{Slots: 2}},
			{Component: "trivy", Guaranteed: resource.Vector{Slots: 2}, Priority: 1, Revoke: true},
		},
	})
	defer controller.Stop()
	show := func(what string) {
		fmt.Println(what)
		for _, b := range controller.GetStatus().Budgets {
			fmt.Printf("  %-8s uses %d, borrowed %d, lent %d, debt %d\n", b.Component, b.Used.Slots, b.Borrowed.Slots, b.Lent.Slots, b.Debt.Slots)
		}
	}
	ask := func(component string) (*resource.Slot, error) {
		return controller.TryAcquire(context.Background(), resource.Request{Component: component})
	}

	var others []*resource.Slot
	for {
		slot, err := ask(resource.DefaultComponent)
		if err != nil {
			fmt.Println(err)
			break
		}
		slot.Revoked() // agrees to give it back when it is asked to
		others = append(others, slot)
	}
	show("other jobs took what they could:")

	ask("semgrep")
	show("semgrep took the slot that it never lends:")

	done := make(chan *resource.Slot)
	go func() {
		slot, _ := controller.Acquire(context.Background(), resource.Request{Component: "trivy"})
		done <- slot
	}()
	newest := others[len(others)-1]
	<-newest.Revoked()
	show("trivy waits, and the newest other job is asked to end:")

	newest.Release()
	<-done
	show("it did, and trivy runs:")

	// Output:
	// throttled: budget default: 7 of 7 slots in use
	// other jobs took what they could:
	//   default  uses 7, borrowed 7, lent 0, debt 0
	//   semgrep  uses 0, borrowed 0, lent 2, debt 0
	//   trivy    uses 0, borrowed 0, lent 2, debt 0
	// semgrep took the slot that it never lends:
	//   default  uses 7, borrowed 7, lent 0, debt 0
	//   semgrep  uses 1, borrowed 0, lent 2, debt 0
	//   trivy    uses 0, borrowed 0, lent 2, debt 0
	// trivy waits, and the newest other job is asked to end:
	//   default  uses 7, borrowed 7, lent 0, debt 0
	//   semgrep  uses 1, borrowed 0, lent 2, debt 0
	//   trivy    uses 0, borrowed 0, lent 2, debt 1
	// it did, and trivy runs:
	//   default  uses 6, borrowed 6, lent 0, debt 0
	//   semgrep  uses 1, borrowed 0, lent 2, debt 0
	//   trivy    uses 1, borrowed 0, lent 1, debt 0
}

package resource_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

// How do I run a job only when the host has room?
func Example() {
	controller := resource.NewController(&resource.ControllerConfig{MaxConcurrentJobs: 2})
	if err := controller.Start(context.Background()); err != nil {
		fmt.Println(err)
	}
	defer controller.Stop()

	if controller.AcquireSlot(context.Background()) {
		defer controller.ReleaseSlot()
		fmt.Println("scan")
	} else {
		fmt.Println("later")
	}
	// Output: scan
}

// How do I run a heavy job, wait for room, and learn why there is none?
func ExampleController_Acquire() {
	controller := resource.NewController(&resource.ControllerConfig{MaxConcurrentJobs: 4})
	defer controller.Stop()

	heavy := resource.Request{Slots: 3, MemoryBytes: 2 << 30, Priority: 1}
	slot, err := controller.Acquire(context.Background(), heavy)
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = controller.Acquire(ctx, heavy)
	fmt.Println(err)

	_, err = controller.TryAcquire(context.Background(), heavy)
	var why *resource.ThrottledError
	if errors.As(err, &why) {
		fmt.Println(why.Reason())
	}

	slot.Release()
	slot.Release() // does no harm
	fmt.Println(controller.GetStatus().ActiveJobs, "active")
	// Output:
	// context deadline exceeded
	// 3 of 4 slots in use
	// 0 active
}

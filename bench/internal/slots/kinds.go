package slots

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/rediverio/sdk/pkg/resource"
)

// limit is the number of slots; one of them is asked for at a time.
const limit = 4

// kind is one operation to measure.
type kind struct {
	name, what string
	beside     string // name of the operation it is compared with; empty if none
	start      func() (do func(n int) error, stop func())
}

var bg = context.Background()

// kinds lists the operations in the order of the table. The operations of the semaphore come before ours, which are
// compared with them.
var kinds = []kind{
	{"grant/x-sync", "semaphore.TryAcquire, Release", "", func() (func(int) error, func()) {
		s := semaphore.NewWeighted(limit)
		return pairs(func() bool { return s.TryAcquire(1) }, func() { s.Release(1) }), nothing
	}},
	{"grant/counter", "AcquireSlot, ReleaseSlot", "grant/x-sync", func() (func(int) error, func()) {
		c := controller(limit)
		return pairs(func() bool { return c.AcquireSlot(bg) }, c.ReleaseSlot), c.Stop
	}},
	{"grant/lease", "TryAcquire with memory, Slot.Release", "grant/x-sync", func() (func(int) error, func()) {
		c := controller(limit)
		return func(n int) error {
			for range n {
				s, err := c.TryAcquire(bg, resource.Request{MemoryBytes: 1 << 20})
				if err != nil {
					return err
				}
				s.Release()
			}
			return nil
		}, c.Stop
	}},
	{"refuse/x-sync", "semaphore.TryAcquire, none free", "", func() (func(int) error, func()) {
		s := semaphore.NewWeighted(1)
		s.TryAcquire(1)
		return refusals(func() bool { return s.TryAcquire(1) }), nothing
	}},
	{"refuse/counter", "AcquireSlot, none free", "grant/counter", func() (func(int) error, func()) {
		c := controller(1)
		c.AcquireSlot(bg)
		return refusals(func() bool { return c.AcquireSlot(bg) }), c.Stop
	}},
	{"hand-over/x-sync", "four goroutines hand one slot on", "", func() (func(int) error, func()) {
		s := semaphore.NewWeighted(1)
		return handOver(func() error { return s.Acquire(bg, 1) }, func() { s.Release(1) }), nothing
	}},
	{"hand-over/counter", "AcquireSlotBlocking, the same", "hand-over/x-sync", func() (func(int) error, func()) {
		c := controller(1)
		return handOver(func() error { return c.AcquireSlotBlocking(bg) }, c.ReleaseSlot), c.Stop
	}},
	{"sample", "one full sample of this host, by a controller", "", func() (func(int) error, func()) {
		return func(n int) error {
			for range n {
				c := resource.NewController(nil)
				if err := c.Start(bg); err != nil { // takes the first sample before it returns
					return err
				}
				c.Stop()
			}
			return nil
		}, nothing
	}},
}

func nothing() {}

// controller has never sampled, so that slots alone decide, as they do for a semaphore.
func controller(slots int) *resource.Controller {
	return resource.NewController(&resource.ControllerConfig{MaxConcurrentJobs: slots})
}

func pairs(take func() bool, give func()) func(int) error {
	return func(n int) error {
		for range n {
			if !take() {
				return fmt.Errorf("refused with %d slots free", limit)
			}
			give()
		}
		return nil
	}
}

func refusals(take func() bool) func(int) error {
	return func(n int) error {
		for range n {
			if take() {
				return fmt.Errorf("granted with no slot free")
			}
		}
		return nil
	}
}

// handOver is mostly the cost of putting goroutines to sleep and waking them, which is the same for all.
func handOver(take func() error, give func()) func(int) error {
	return func(n int) error {
		const hands = 4
		errs := make([]error, hands)
		var wg sync.WaitGroup
		for i := range hands {
			wg.Go(func() {
				for range n / hands {
					if errs[i] = take(); errs[i] != nil {
						return
					}
					runtime.Gosched() // let the other goroutines block, so that there is a waiter to hand the slot to
					give()
				}
			})
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	}
}

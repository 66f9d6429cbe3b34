package resource

import "testing"

// A request that needs what another component has of its own, perhaps forever, delays no other request: neither its own
// component within its guarantee, nor who could borrow the rest. Once it is to be had, the bound on passes holds again.
func TestWhatAnotherHasOfItsOwnIsNotWaitedForByAll(t *testing.T) {
	c := divided(t, 6, Budget{Component: "a", Guaranteed: slotsOf(2)}, Budget{Component: "b", Guaranteed: slotsOf(2)})
	b := []*Slot{must(t, c, Request{Component: "b"}), must(t, c, Request{Component: "b"})}
	large := waitFor(t, c, Request{Component: "a", Slots: 5})
	// pass takes and gives back in turns, so that some of r is always in use, and returns how often that went well.
	pass := func(r Request) (n int) {
		last := must(t, c, r)
		for ; n < 3*MaxBypass; n++ {
			next, err := c.TryAcquire(bg, r)
			if err != nil {
				break
			}
			last.Release()
			last = next
		}
		last.Release()
		return n
	}
	for _, component := range []string{"a", DefaultComponent} {
		if n := pass(Request{Component: component, Slots: 2}); n < 3*MaxBypass {
			t.Errorf("%s was held up after %d", component, n)
		}
	}
	held := must(t, c, Request{Slots: 2})
	b[0].Release()
	b[1].Release()
	if n := pass(Request{}); n > MaxBypass {
		t.Errorf("passed %d times where it could have begun", n)
	}
	held.Release()
	(<-large).Release()
}

package resource

import (
	"errors"
	"testing"
)

// CanAcquire returns the error of TryAcquire and changes nothing.
func TestRoom(t *testing.T) {
	c := divided(t, 4, Budget{Component: "a", Guaranteed: slotsOf(2), MaxBorrow: slotsOf(-1)})
	held := must(t, c, Request{Slots: 2})
	waitFor(t, c, Request{Slots: 4})
	for range 2 * MaxBypass {
		if err := c.CanAcquire(Request{Component: "a", Slots: 2}); err != nil {
			t.Fatal(err)
		}
		var why *ThrottledError
		if err := c.CanAcquire(Request{Slots: 3}); !errors.As(err, &why) || why.Resource != Slots {
			t.Fatal(err)
		}
	}
	var large *TooLargeError
	if err := c.CanAcquire(Request{Component: "a", Slots: 3}); !errors.As(err, &large) {
		t.Error(err)
	}
	var unknown *UnknownComponentError
	if err := c.CanAcquire(Request{Component: "b"}); !errors.As(err, &unknown) {
		t.Error(err)
	}
	if s := c.GetStatus(); s.RejectedJobs != 0 || s.ActiveJobs != 1 || s.Refused != nil {
		t.Errorf("%+v", s)
	}
	c.mu.Lock()
	if c.waiters[0].passed != 0 {
		t.Errorf("passed %d times", c.waiters[0].passed)
	}
	c.mu.Unlock()
	held.Release()
	c.Stop()
	if err := c.CanAcquire(Request{}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

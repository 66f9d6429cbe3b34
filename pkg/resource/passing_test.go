package resource

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Waiters were served in any order: 130 inversions of 190.
func TestOrderOfArrivalWithinPriority(t *testing.T) {
	c := newTest(t, 1)
	held := must(t, c, Request{})
	order := make(chan int, 30)
	for i := range 30 {
		go func() {
			s, err := c.Acquire(bg, Request{Priority: i % 2})
			if err != nil {
				t.Error(err)
			}
			order <- i
			s.Release()
		}()
		pending(t, c, i+1)
	}
	held.Release()
	for want := range 30 {
		want = want*2 + 1
		if want > 30 {
			want -= 31
		}
		if got := <-order; got != want {
			t.Fatalf("served %d, want %d", got, want)
		}
	}
}

// A large request at the head does not idle the slots that it cannot use yet: who cannot delay it passes freely,
// who may delay it MaxBypass times.
func TestPassingALargeRequest(t *testing.T) {
	for _, counting := range []bool{false, true} {
		c := newTest(t, 5)
		pass := func() (release func(), ok bool) {
			if counting {
				return c.ReleaseSlot, c.AcquireSlot(bg)
			}
			s, err := c.TryAcquire(bg, Request{})
			return s.Release, err == nil
		}
		must(t, c, Request{Slots: 2})
		ended := make(chan error, 1)
		go func() { _, err := c.Acquire(bg, Request{Slots: 4}); ended <- err }()
		pending(t, c, 1)

		for i := range 100 { // one of five slots is no use to the large one
			release, ok := pass()
			if !ok {
				t.Fatalf("counting %v: TryAcquire of job %d, which delays no request, was refused", counting, i)
			}
			release()
		}
		pass()
		n := 0
		for ; n < 100; n++ { // a second one may delay it
			release, ok := pass()
			if !ok {
				break
			}
			release()
		}
		if n != MaxBypass {
			t.Errorf("counting %v: passed %d times, want %d", counting, n, MaxBypass)
		}
		c.Stop()
		<-ended
	}
}

// A grant to a request that was ahead is not a pass: a request waits for it anyway, and small ones that cannot delay
// it go on passing it.
func TestGrantsAheadAreNoPasses(t *testing.T) {
	c := newTest(t, 6)
	first := must(t, c, Request{Slots: 5})
	granted := make(chan *Slot, 2)
	for i := range 2 {
		go func() {
			s, err := c.Acquire(bg, Request{Slots: 4})
			if err != nil {
				t.Error(err)
			}
			granted <- s
		}()
		pending(t, c, i+1)
	}
	first.Release()
	ahead := <-granted // the other one waits for it
	for i := range 100 {
		s, err := c.TryAcquire(bg, Request{})
		if err != nil {
			t.Fatalf("job %d delays no request, but TryAcquire = %v", i, err)
		}
		s.Release()
	}
	ahead.Release()
	if s := <-granted; len(c.waiters) != 0 {
		t.Error("a request waits, want none")
	} else {
		s.Release()
	}
	wantActive(t, c, 0, 0)
}

// When a request that held up others gives up, they are served at once.
func TestLeavingServesThoseBehind(t *testing.T) {
	c := newTest(t, 2)
	must(t, c, Request{})
	ctx, cancel := context.WithCancel(bg)
	ended := make(chan error, 1)
	go func() { _, err := c.Acquire(ctx, Request{Slots: 2}); ended <- err }()
	pending(t, c, 1)
	for range MaxBypass {
		must(t, c, Request{}).Release()
	}
	small := make(chan error, 1)
	go func() { small <- c.AcquireSlotBlocking(bg) }()
	pending(t, c, 2)
	cancel()
	<-ended
	select {
	case err := <-small:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("the request behind was forgotten")
	}
}

func TestPassingIsBounded(t *testing.T) {
	c := newTest(t, 2)
	old := must(t, c, Request{})
	large := make(chan *Slot, 1)
	go func() { s, _ := c.Acquire(bg, Request{Slots: 2}); large <- s }()
	pending(t, c, 1)
	passed := 0
	for range 100 {
		s, err := c.TryAcquire(bg, Request{Priority: 9}) // higher priority passes by right, but not for ever
		if err != nil {
			var why *ThrottledError
			if !errors.As(err, &why) || why.Resource != Order {
				t.Fatal(err)
			}
			break
		}
		passed++
		s.Release()
	}
	if passed != MaxBypass {
		t.Errorf("passed %d times, want %d", passed, MaxBypass)
	}
	old.Release()
	if s := <-large; s == nil {
		t.Error("the large request failed")
	}
}

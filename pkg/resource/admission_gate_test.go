package resource

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// door is a Gate that the test shuts and opens.
type door struct {
	mu  sync.Mutex
	err error
}

func (d *door) ask() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *door) set(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func TestAGateAdmitsNobodyAndTellsWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, heard, full := &door{}, &recorder{}, errors.New("disk is full")
		c := newTest(t, 2, func(c *ControllerConfig) { c.Gate, c.Sink, c.MinConcurrentJobs = d.ask, heard, 2 })
		if err := c.Start(bg); err != nil {
			t.Fatal(err)
		}
		must(t, c, Request{}).Release()
		begun := time.Now()
		d.set(full)
		_, err := c.TryAcquire(bg, Request{})
		var why *ThrottledError
		if !errors.As(err, &why) || why.Resource != Gate || why.Reason() != "disk is full" || !errors.Is(err, full) || why.RetryAfter <= 0 {
			t.Errorf("%#v", err)
		}
		if !errors.As(c.GateError(), &why) || c.AcquireSlot(bg) {
			t.Error("the counter API and Barred do not ask the gate")
		}
		granted := make(chan *Slot)
		go func() {
			s, err := c.Acquire(context.Background(), Request{})
			if err != nil {
				t.Error(err)
			}
			granted <- s
		}()
		time.Sleep(3 * DefaultSampleInterval)
		synctest.Wait()
		s := c.GetStatus()
		if s.PendingJobs != 1 || s.ActiveJobs != 0 || !s.Throttled || s.ThrottleReason != "disk is full" || !s.ThrottledAt.Equal(begun) || !c.IsThrottled() {
			t.Errorf("%+v", s)
		}
		d.set(nil)
		reopened := time.Now()
		(<-granted).Release()
		if waited := time.Since(reopened); waited > DefaultSampleInterval {
			t.Errorf("admission resumed %v after the gate opened", waited)
		}
		if s := c.GetStatus(); s.Throttled || c.IsThrottled() || c.GateError() != nil {
			t.Errorf("%+v", s)
		}
		if n, m := heard.count(event.ResourceThrottle), heard.count(event.ResourceResume); n != 1 || m != 1 {
			t.Errorf("%d throttle and %d resume events, want one each", n, m)
		}
		c.Stop()
	})
}

func TestAGateThatPanicsIsShut(t *testing.T) {
	c := newTest(t, 1, func(c *ControllerConfig) { c.Gate = func() error { panic("oh") } })
	if _, err := c.TryAcquire(bg, Request{}); err == nil || err.Error() != "throttled: gate panicked: oh" {
		t.Errorf("%v", err)
	}
}

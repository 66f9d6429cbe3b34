package resource

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"

	"github.com/rediverio/sdk/pkg/event"
)

// When its context ended, a throttled controller stayed throttled and could not be ended properly.
func TestContextEndsWhileThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := newTest(t, 4, func(cfg *ControllerConfig) { cfg.Sampler = &fakeHost{m: load(99, 10)} })
		if err := c.Start(ctx); err != nil {
			t.Fatal(err)
		}
		after(4)
		c.AcquireSlot(bg)
		failed := make(chan error, 1)
		go func() { failed <- c.AcquireSlotBlocking(bg) }()
		synctest.Wait()
		if !c.IsThrottled() || c.GetStatus().PendingJobs != 1 {
			t.Fatalf("%+v", c.GetStatus())
		}
		cancel()
		if err := <-failed; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if c.IsThrottled() {
			t.Error("frozen throttled")
		}
		c.Stop()
	})
}

func TestUnmeasuredHost(t *testing.T) {
	for _, closed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			host := &fakeHost{m: load(99, 10)}
			sink := &recorder{}
			c := start(t, host, func(cfg *ControllerConfig) { cfg.ThrottleWhenStale, cfg.Sink = closed, sink })
			after(3)
			if !c.IsThrottled() {
				t.Fatal("not throttled at 99%")
			}
			host.set(SystemMetrics{}, errors.New("no such host"))
			after(1)
			if s := c.GetStatus(); !s.Throttled || !s.Metrics.Stale || s.SampleError != "no such host" {
				t.Errorf("after one failure: %+v", s)
			}
			after(4)
			if c.IsThrottled() != closed {
				t.Errorf("ThrottleWhenStale %v: throttled %v", closed, !closed)
			}
			host.set(load(10, 10), nil)
			after(7)
			if s := c.GetStatus(); s.Throttled || s.Metrics.Stale || s.SampleError != "" {
				t.Errorf("measured again: %+v", s)
			}
			if n := sink.count(event.ResourceWarning); n != 1 {
				t.Errorf("%d warnings", n)
			}
		})
	}
}

// A sampler that fails in every way neither ends the process nor decides anything.
func TestHostileSampler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &fakeHost{fn: func(n int) (SystemMetrics, error) {
			m := load(math.NaN(), math.Inf(1))
			switch n % 3 {
			case 0:
				panic("sampler")
			case 1:
				m.MemoryAvailableBytes, m.MemoryTotalMB = -1, -1
			}
			return m, nil
		}}
		c := start(t, host)
		after(30)
		if !c.AcquireSlot(bg) || c.IsThrottled() {
			t.Errorf("%+v", c.GetStatus())
		}
		if m := c.GetMetrics(); m.CPUSource != "" || m.MemorySource != "" {
			t.Errorf("nonsense is shown as measured: %+v", m)
		}
	})
}

func TestVerboseSaysWhatIsHot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &recorder{}
		start(t, &fakeHost{m: load(90, 10)}, func(cfg *ControllerConfig) { cfg.Verbose, cfg.Sink, cfg.CPUWarning = true, sink, -1 })
		if n := sink.count(event.ResourceWarning); n != 2 || sink.events[0].Severity != event.Debug {
			t.Errorf("%d events: %+v", n, sink.events)
		}
	})
}

// Five points under the threshold an operator is warned, once, and jobs go on.
func TestWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &recorder{}
		c := start(t, &fakeHost{m: load(82, 10)}, func(cfg *ControllerConfig) { cfg.Sink = sink })
		after(20)
		if c.IsThrottled() || len(sink.events) != 1 || sink.events[0].Message != "CPU 82% >= 80%" {
			t.Errorf("%+v", sink.events)
		}
	})
}

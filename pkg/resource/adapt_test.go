package resource

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

func TestAdaptiveMaxJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &fakeHost{m: load(10, 10)}
		c := start(t, host, func(cfg *ControllerConfig) { cfg.MaxConcurrentJobs = 8 })
		advise := func(want int, why string) {
			t.Helper()
			time.Sleep(40 * time.Second)
			synctest.Wait()
			if n := c.AdaptiveMaxJobs(); n != want {
				t.Errorf("%s: advice %d, want %d", why, n, want)
			}
			c.SetMaxConcurrentJobs(c.AdaptiveMaxJobs())
		}
		advise(8, "calm")
		host.set(load(99, 10), nil)
		advise(7, "CPU trouble")
		advise(6, "CPU trouble")
		host.set(load(10, 99), nil)
		advise(3, "memory trouble")
		advise(1, "memory trouble")
		advise(1, "never under MinConcurrentJobs")
		host.set(load(10, 10), nil)
		advise(1, "calm again, but idle")
		after(2)
		for c.AcquireSlot(bg) {
		}
		advise(2, "calm, and a request found no slot")
	})
}

// With AdaptiveConcurrency the advice is the limit: lower after trouble, higher when jobs wait on a calm host, one
// change a window, each told with its reason and numbers.
func TestAdaptiveConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, sink := &fakeHost{m: load(10, 10)}, &recorder{}
		c := start(t, host, func(cfg *ControllerConfig) {
			cfg.MaxConcurrentJobs, cfg.AdaptiveConcurrency, cfg.Sink = 8, true, sink
			cfg.CPUWarning, cfg.MemoryWarning = -1, -1
		})
		told := 0
		window := func(want int, reason string) {
			t.Helper()
			from := c.GetStatus().MaxJobs
			time.Sleep(minWindow)
			synctest.Wait()
			if n := c.GetStatus().MaxJobs; n != want || c.AdaptiveMaxJobs() != want {
				t.Errorf("%s: %d slots, advice %d, want %d", reason, n, c.AdaptiveMaxJobs(), want)
			}
			if told += count(want != from); sink.count(event.ConcurrencyChanged) != told {
				t.Fatalf("%s: %d changes told, want %d", reason, sink.count(event.ConcurrencyChanged), told)
			}
			if want == from {
				return
			}
			var e event.Event
			for _, e = range sink.events {
				if e.Type == event.ConcurrencyChanged && e.Details["to"] == want && e.Details["from"] == from {
					break
				}
			}
			if e.Details["reason"] != reason || e.Details["max_jobs"] != want || e.Duration < minWindow {
				t.Errorf("%s: %+v", reason, e)
			}
		}
		window(8, "calm")
		host.set(load(99, 10), nil)
		window(7, "CPU 99% >= 85%")
		m := load(10, 10)
		m.Pressure = &Pressure{Memory: 70}
		host.set(m, nil)
		window(3, "memory pressure 70% >= 60%")
		host.set(load(10, 10), nil)
		window(3, "calm, and no request waits")
		after(8)
		var held int
		for c.AcquireSlot(bg) {
			held++
		}
		if held != 3 {
			t.Errorf("%d slots granted of 3", held)
		}
		window(4, "the host was calm and jobs waited")
		m = load(10, 10)
		m.OOMKills = 2
		host.set(m, nil)
		window(2, "2 processes killed because memory was short")
		wantActive(t, c, 3, 3) // nothing is revoked
	})
}

// A job that needs more slots than there are at the moment waits for more slots and delays no other job.
func TestALargeRequestOutlivesAnAdaptation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &fakeHost{m: load(10, 95)}
		c := start(t, host, func(cfg *ControllerConfig) { cfg.MaxConcurrentJobs, cfg.AdaptiveConcurrency = 4, true })
		time.Sleep(3 * minWindow)
		large := make(chan error, 1)
		go func() {
			s, err := c.Acquire(bg, Request{Slots: 4})
			s.Release()
			large <- err
		}()
		synctest.Wait()
		if n := c.GetStatus().MaxJobs; n != 1 || len(large) != 0 {
			t.Fatalf("%d slots", n)
		}
		for i := range 3 * MaxBypass {
			if !c.AcquireSlot(bg) {
				t.Fatalf("pass %d: %+v", i, c.GetStatus())
			}
			c.ReleaseSlot()
		}
		var tooLarge *TooLargeError
		if _, err := c.TryAcquire(bg, Request{Slots: 5}); !errors.As(err, &tooLarge) || tooLarge.Limit != 4 {
			t.Errorf("5 slots of 4: %v", err)
		}
		host.set(load(10, 10), nil)
		time.Sleep(6 * minWindow)
		synctest.Wait()
		select {
		case err := <-large:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("the large request still waits: %+v", c.GetStatus())
		}
	})
}

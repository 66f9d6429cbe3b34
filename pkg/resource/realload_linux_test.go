package resource

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"
)

// watched is a real sampler that notes, of each sample, how hot it was and what the controller made of it.
type watched struct {
	*systemSampler
	c *Controller

	mu   sync.Mutex
	hot  int // samples running that were hot, up to the newest
	calm int // the same, calm
	// at the moment when the controller closed and opened
	hotToClose, calmToOpen int
	closed                 bool
}

// Sample looks at what became of the sample before, then takes one.
func (w *watched) Sample(ctx context.Context) (SystemMetrics, error) {
	w.mu.Lock()
	if closed := w.c.IsThrottled(); closed != w.closed {
		w.closed = closed
		if closed {
			w.hotToClose = w.hot
		} else {
			w.calmToOpen = w.calm
		}
	}
	w.mu.Unlock()
	m, err := w.systemSampler.Sample(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	levels, hard := w.c.cfg.levels(m), w.c.cfg.hard(m, w.c.cfg.reserveOf(m))
	hot, calm := hard != nil, hard == nil
	for _, l := range levels {
		hot = hot || l.value >= l.limit
		calm = calm && l.value < l.clear()
	}
	w.hot, w.calm = (w.hot+1)*count(hot), (w.calm+1)*count(calm)
	return m, err
}

func (w *watched) until(t *testing.T, closed bool, patience time.Duration) bool {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		w.mu.Lock()
		done := w.closed == closed
		w.mu.Unlock()
		if done {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// watch starts a controller on a real sampler. Samples are as close as the kernel's ticks allow.
func watch(t *testing.T, s *systemSampler) *watched {
	t.Helper()
	w := &watched{systemSampler: s}
	w.c = newTest(t, 4, func(cfg *ControllerConfig) {
		cfg.Sampler, cfg.SampleInterval, cfg.CooldownDuration = w, minWindowCPU+50*time.Millisecond, time.Nanosecond
		cfg.MinConcurrentJobs, cfg.MemoryPressureThreshold = 2, -1 // the pressure is the machine's, which others use too
	})
	t.Cleanup(s.close)
	t.Cleanup(w.c.Stop)
	if err := w.c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// minimum checks that a throttled controller lets MinConcurrentJobs in, again and again, and no more.
func (w *watched) minimum(t *testing.T) {
	t.Helper()
	for range 20 {
		for range 2 {
			if !w.c.AcquireSlot(bg) {
				t.Fatalf("under load the minimum starves: %s", w.c.GetStatus().ThrottleReason)
			}
		}
		if w.c.AcquireSlot(bg) {
			t.Fatalf("under load more than the minimum runs: %+v", w.c.GetStatus())
		}
		w.c.ReleaseSlot()
		w.c.ReleaseSlot()
	}
}

// closesAndOpens checks in how many samples admission stopped under a load, and resumed after it.
func (w *watched) closesAndOpens(t *testing.T, stop func()) {
	t.Helper()
	if !w.until(t, true, patience) {
		t.Fatalf("the load does not throttle: %+v", w.c.GetMetrics())
	}
	t.Log(w.c.GetStatus().ThrottleReason)
	w.minimum(t)
	stop()
	if !w.until(t, false, patience) {
		t.Fatalf("throttled after the load has ended: %s", w.c.GetStatus().ThrottleReason)
	}
	if w.hotToClose > samplesUp || w.calmToOpen < samplesDown {
		t.Errorf("throttled after %d hot samples, resumed after %d calm ones", w.hotToClose, w.calmToOpen)
	}
	var held int
	for w.c.AcquireSlot(bg) {
		held++
	}
	if held != 4 {
		t.Errorf("%d slots of 4 after the load", held)
	}
}

// Processes that use up a CPU quota stop admission within three samples, and it resumes when they have ended.
func TestThrottlesWhileProcessesPinAQuota(t *testing.T) {
	t.Parallel()
	g := newRealGroup(t, 512<<20, 0.1)
	w := watch(t, g.sampler(t))
	stops := make([]func(), 2)
	for i := range stops {
		_, stops[i] = begin(t, g, "spin", 0)
	}
	w.closesAndOpens(t, func() {
		for _, stop := range stops {
			stop()
		}
	})
}

// A process that eats nearly all memory of its group stops admission within three samples, and it resumes when it has
// ended. Nothing is killed.
func TestThrottlesWhileAProcessEatsMemory(t *testing.T) {
	t.Parallel()
	// What it takes lies between the threshold of 85 % and the reserve of a twentieth, under which not even the minimum runs;
	// there is room in between for the program itself, which under the race detector needs 20 MB.
	const limit = 512 << 20
	g := newRealGroup(t, limit, 2)
	w := watch(t, g.sampler(t))
	_, stop := begin(t, g, "eat", limit*86/100)
	w.closesAndOpens(t, stop)
	if n := g.oomKills(t); n != 0 {
		t.Errorf("the kernel killed %d", n)
	}
}

// busyMachine has the real CPUs of this machine and plenty of memory.
type busyMachine struct{ gopsutil }

func (busyMachine) memory(ctx context.Context) (available, total int64, err error) {
	return idleMachine{}.memory(ctx)
}

// Processes that pin all CPUs of this machine stop admission within three samples. That it resumes can be seen only
// where nothing else keeps the machine busy.
func TestThrottlesWhileProcessesPinTheHost(t *testing.T) {
	s := newSystemSampler()
	s.groups = newGroups("") // the CPUs of the host alone
	s.host.machine = busyMachine{}
	w := watch(t, s)
	stops := make([]func(), 2*runtime.NumCPU())
	for i := range stops {
		_, stops[i] = begin(t, nil, "spin", 0)
	}
	if !w.until(t, true, patience) {
		t.Fatalf("the load does not throttle: %+v", w.c.GetMetrics())
	}
	w.minimum(t)
	for _, stop := range stops {
		stop()
	}
	if opened := w.until(t, false, 5*time.Second); opened && w.calmToOpen < samplesDown {
		t.Errorf("resumed after %d calm samples", w.calmToOpen)
	} else if !opened {
		t.Log("other work keeps this machine busy: nothing to see of the resumption")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hotToClose > samplesUp || w.closed && w.calm > samplesDown {
		t.Errorf("throttled after %d hot samples, and still after %d calm ones", w.hotToClose, w.calm)
	}
}

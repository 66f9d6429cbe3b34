package resource

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"
)

// burstJobs is how many jobs come at once.
const burstJobs = 10

// burstResult is what a burst of jobs came to.
type burstResult struct {
	Done int      // jobs that had their memory and ended by themselves
	Most int      // at one time
	Bad  []string // what went wrong
}

// runBurst is an agent in a group: ten jobs at once, each a scanner that takes its memory in one go, with ten slots.
func runBurst(bytes int) burstResult {
	c := NewController(&ControllerConfig{
		MaxConcurrentJobs: burstJobs, SampleInterval: 20 * time.Millisecond,
		CPUThreshold: -1, MemoryThreshold: -1, MemoryPressureThreshold: -1, // memory decides alone, by the reservations
	})
	defer c.Stop()
	if err := c.Start(context.Background()); err != nil {
		return burstResult{Bad: []string{err.Error()}}
	}
	var mu sync.Mutex
	var r burstResult
	running := 0
	note := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		r.Bad = append(r.Bad, err.Error())
	}
	job := func() {
		slot, err := c.Acquire(context.Background(), Request{MemoryBytes: int64(bytes) * 11 / 10}) // and a process beside it
		if err != nil {
			note(err)
			return
		}
		defer slot.Release()
		mu.Lock()
		running++
		r.Most = max(r.Most, running)
		mu.Unlock()
		ending := func() { // first: a sample sees the memory free before the slot is released, and lets the next job in
			mu.Lock()
			running--
			mu.Unlock()
		}
		p, err := newChild("eat", bytes)
		if err == nil {
			if _, err = p.tell(); err == nil {
				slot.SetUsed(int64(bytes))
				time.Sleep(100 * time.Millisecond) // it works with what it took
			}
			ending()
			if ended := p.stop(); err == nil {
				err = ended
			}
		} else {
			ending()
		}
		mu.Lock()
		if err == nil {
			r.Done++
		}
		mu.Unlock()
		if err != nil {
			note(err)
		}
	}
	var wg sync.WaitGroup
	for range burstJobs {
		wg.Go(job)
	}
	wg.Wait()
	return r
}

// Ten scanners that take 600 MB at once, in a real group of 2 GB: those run beside each other that fit, all of them
// run, and the kernel kills no process.
func TestABurstOfLargeJobsIsAdmittedAsMemoryAllows(t *testing.T) {
	t.Parallel()
	job, limit := 600<<20, int64(2<<30)
	if testing.Short() {
		job, limit = 150<<20, 600<<20
	}
	g := newRealGroup(t, limit, 2)
	line, stop := begin(t, g, "burst", job)
	stop()
	var r burstResult
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	t.Logf("%d jobs of %d MB in %d MB: %d done, at most %d at once", burstJobs, job>>20, limit>>20, r.Done, r.Most)
	if r.Done != burstJobs || len(r.Bad) > 0 {
		t.Errorf("%d of %d jobs had their memory: %v", r.Done, burstJobs, r.Bad)
	}
	if r.Most < 2 || int64(r.Most*job) > limit {
		t.Errorf("%d jobs at once", r.Most)
	}
	if n := g.oomKills(t); n != 0 {
		t.Errorf("the kernel killed %d", n)
	}
}

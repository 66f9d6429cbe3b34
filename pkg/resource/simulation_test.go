package resource

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The host of the simulations: 8 slots and 4 GB.
const (
	simSlots  = 8
	simMemory = 4 * gb
	simJobs   = 4000
)

// mix is a kind of load: small jobs, and some big ones. Times are exponentially distributed around their means.
type mix struct {
	name     string
	big      Request
	bigTime  time.Duration
	bigShare float64
	load     float64 // of the slots
}

var (
	simSmall     = Request{Slots: 1, MemoryBytes: gb / 4}
	simSmallTime = 20 * time.Second

	mixes = []mix{
		{"wide", Request{Slots: 6, MemoryBytes: gb * 3 / 2}, 30 * time.Second, 0.05, 0.85},
		{"fat", Request{Slots: 4, MemoryBytes: gb * 5 / 2}, time.Minute, 0.20, 0.55},
	}
)

// simJob is one job: when it comes, what it needs, how long it runs, and how long it waited.
type simJob struct {
	at, takes, waited time.Duration
	need              Request
	big               bool
}

// jobs are the same for every policy.
func (m mix) jobs(seed uint64) []simJob {
	r := rand.New(rand.NewPCG(seed, 7))
	work := (1-m.bigShare)*simSmallTime.Seconds() + m.bigShare*m.bigTime.Seconds()*float64(m.big.Slots) // slot seconds of a job
	gap := work / (simSlots * m.load)
	jobs := make([]simJob, simJobs)
	var now time.Duration
	for i := range jobs {
		now += time.Duration(r.ExpFloat64() * gap * float64(time.Second))
		j := simJob{at: now, need: simSmall, takes: simSmallTime}
		if r.Float64() < m.bigShare {
			j.need, j.takes, j.big = m.big, m.bigTime, true
		}
		j.takes = time.Duration(r.ExpFloat64() * float64(j.takes))
		jobs[i] = j
	}
	return jobs
}

// policy lets jobs in.
type policy interface {
	acquire(Request) (release func())
}

// ours is the real controller.
type ours struct{ c *Controller }

func (o ours) acquire(r Request) func() {
	s, err := o.c.Acquire(bg, r)
	if err != nil {
		panic(err)
	}
	return s.Release
}

// reference is one of the two policies that ours is held against: strict order, and whatever fits.
type reference struct {
	greedy bool
	mu     sync.Mutex
	slots  int
	memory int64
	queue  []*simWaiter
}

type simWaiter struct {
	need Request
	done chan struct{}
}

func (f *reference) acquire(r Request) func() {
	w := &simWaiter{r, make(chan struct{})}
	f.mu.Lock()
	f.queue = append(f.queue, w)
	f.serve()
	f.mu.Unlock()
	<-w.done
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.slots -= r.Slots
		f.memory -= r.MemoryBytes
		f.serve()
	}
}

func (f *reference) serve() {
	for i := 0; i < len(f.queue); {
		w := f.queue[i]
		switch {
		case f.slots+w.need.Slots <= simSlots && f.memory+w.need.MemoryBytes <= simMemory:
			f.slots += w.need.Slots
			f.memory += w.need.MemoryBytes
			close(w.done)
			f.queue = slices.Delete(f.queue, i, i+1)
		case f.greedy:
			i++
		default:
			return
		}
	}
}

// play runs the jobs in virtual time.
func play(jobs []simJob, p policy) {
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range jobs {
		j := &jobs[i]
		time.Sleep(time.Until(begin.Add(j.at)))
		wg.Go(func() {
			release := p.acquire(j.need)
			j.waited = time.Since(begin) - j.at
			time.Sleep(j.takes)
			release()
		})
	}
	wg.Wait()
}

// waits are those of one run, in seconds; over several runs, the means of them.
type waits struct{ smallAvg, smallP95, bigAvg, bigMax float64 }

func waitsOf(jobs []simJob) (w waits) {
	var waited [2][]float64
	for _, j := range jobs {
		waited[count(j.big)] = append(waited[count(j.big)], j.waited.Seconds())
	}
	slices.Sort(waited[0])
	return waits{mean(waited[0]), waited[0][len(waited[0])*95/100], mean(waited[1]), slices.Max(waited[1])}
}

func mean(v []float64) (sum float64) {
	for _, x := range v {
		sum += x
	}
	return sum / float64(max(len(v), 1))
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// simulate plays a mix under a policy with several seeds.
func simulate(t *testing.T, m mix, seeds int, policy string) waits {
	var of [4][]float64
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			jobs := m.jobs(uint64(seed))
			switch policy {
			case "ours":
				c := newTest(t, simSlots, func(cfg *ControllerConfig) {
					cfg.Sampler = &fakeHost{m: simHost()}
					cfg.SampleInterval, cfg.MemoryReserveBytes = MaxSampleInterval, -1
				})
				if err := c.Start(context.Background()); err != nil {
					t.Fatal(err)
				}
				play(jobs, ours{c})
				wantActive(t, c, 0, 0)
				c.Stop()
			default:
				play(jobs, &reference{greedy: policy == "greedy"})
			}
			w := waitsOf(jobs)
			for i, x := range []float64{w.smallAvg, w.smallP95, w.bigAvg, w.bigMax} {
				of[i] = append(of[i], x)
			}
		})
	}
	return waits{mean(of[0]), mean(of[1]), mean(of[2]), mean(of[3])}
}

// simHost is a host of which the jobs may take 4 GB.
func simHost() SystemMetrics {
	return SystemMetrics{MemorySource: "host", MemoryTotalMB: 4 << 10, MemoryAvailableBytes: simMemory, MemoryLimitBytes: simMemory}
}

// Two mixes of small and big jobs, in virtual time, under strict order, under "whatever fits", and under the real
// controller. Small jobs wait no longer than in strict order, and the worst big job no longer than where whatever fits
// may pass it.
func TestSimulation(t *testing.T) {
	seeds := 10
	if testing.Short() {
		seeds = 2
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%d seeds of %d jobs; waits in seconds\n\n", seeds, simJobs)
	fmt.Fprintln(&table, "| mix | policy | small, average | small, p95 | big, average | big, longest |\n|---|---|---|---|---|---|")
	for _, m := range mixes {
		got := map[string]waits{}
		for _, policy := range []string{"strict order", "ours", "greedy"} {
			w := simulate(t, m, seeds, policy)
			got[policy] = w
			fmt.Fprintf(&table, "| %s | %s | %.1f | %.0f | %.0f | %.0f |\n", m.name, policy, w.smallAvg, w.smallP95, w.bigAvg, w.bigMax)
		}
		us, fifo, greedy := got["ours"], got["strict order"], got["greedy"]
		if us.smallAvg > fifo.smallAvg || us.smallP95 > fifo.smallP95 {
			t.Errorf("%s: small jobs wait %+v, in strict order %+v", m.name, us, fifo)
		}
		if us.bigMax > greedy.bigMax {
			t.Errorf("%s: the worst big job waits %.0f s, greedy %.0f s", m.name, us.bigMax, greedy.bigMax)
		}
	}
	t.Log("\n" + table.String())
}

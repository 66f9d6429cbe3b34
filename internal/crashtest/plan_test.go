package crashtest

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
)

// world is what the lives of one round have in common.
type world struct {
	Seed         uint64
	DB           string // the victim's chunk store
	IngestDB     string
	URL          string // address of the relay
	SmallDisk    bool   // the disk is full before MaxStorageMB is reached
	MaxStorageMB int
	FreeUploaded bool // Config.AutoCleanupOnUpload
	FreeComplete bool // Config.CleanupOnReportComplete
	Workers      int
	Keys         int // from this life on, parts are encrypted; each life has a key of its own and those before. -1: never
	Quota        int // Config.MaxTenantReports
}

// life has the orders of one victim, and the faults it meets.
type life struct {
	World      world
	Number     int // from 0
	Seed       uint64
	Submitters int
	Step       string // to die at; empty: none
	Nth        int    // which time it is reached, from 1
	Drain      bool   // submit nothing, deliver everything

	EndAfter time.Duration // when the parent ends it, from when it is at work; 0: it dies at Step, or ends by itself
	Early    bool          // from when its process starts
	Kill     bool          // and whether by SIGKILL
	Check    bool          // the store is looked at after it, which also repairs it
	Server   []serverLife  // one after the other, the last one until the end of the life
}

// serverLife has the orders of one server process, and the faults it meets.
type serverLife struct {
	DB     string
	Faults []ingesttest.Fault
	Step   string
	Nth    int

	KillAfter time.Duration // 0: it dies at Step, or with the life
	Away      time.Duration // before the next one
}

// rng returns the source of chance for one purpose of a seed.
func rng(seed uint64, purpose string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(purpose)) // never fails
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// plan makes the lives of a world; the last one drains it.
func plan(w world) (world, []life) {
	r := rng(w.Seed, "plan")
	w.MaxStorageMB = 3 + r.IntN(12)
	if w.SmallDisk {
		w.MaxStorageMB = -1
	}
	w.FreeUploaded, w.FreeComplete = r.IntN(3) > 0, r.IntN(3) > 0
	w.Workers = 1 + r.IntN(4)
	w.Keys = r.IntN(5) - 2
	if r.IntN(3) == 0 {
		w.Quota = 1 + r.IntN(30)
	}
	lives := make([]life, 2+r.IntN(4), 6)
	for i := range lives {
		l := life{World: w, Number: i, Seed: r.Uint64(), Submitters: 1 + r.IntN(6), Check: r.IntN(3) > 0}
		switch k := r.IntN(10); {
		case k < 5:
			l.Step, l.Nth = pick(r, victimSteps), nth(r, 8)
		case k < 8:
			l.EndAfter, l.Kill, l.Early = moment(r), true, r.IntN(5) == 0
		default:
			l.EndAfter = moment(r)
		}
		l.Server = planServers(r, w.IngestDB)
		lives[i] = l
	}
	return w, append(lives, life{World: w, Number: len(lives), Drain: true, Check: true, Server: []serverLife{{DB: w.IngestDB}}})
}

// moment is soon after the start, mostly.
func moment(r *rand.Rand) time.Duration {
	return time.Duration(r.Int64N(int64(40*time.Millisecond) << r.IntN(5)))
}

// nth is 1 as often as not, for the sake of steps that are rare.
func nth(r *rand.Rand, bits int) int {
	return 1 + r.IntN(1<<(r.IntN(2)*(1+r.IntN(bits))))
}

func pick(r *rand.Rand, steps map[string]string) string {
	names := slices.Sorted(maps.Keys(steps))
	return names[r.IntN(len(names))]
}

func planServers(r *rand.Rand, db string) []serverLife {
	servers := make([]serverLife, 1+r.IntN(3))
	badness := r.IntN(50)
	for i := range servers {
		s := serverLife{DB: db, Faults: planFaults(r, badness)}
		if i < len(servers)-1 {
			s.Away = time.Duration(r.Int64N(int64(20 * time.Millisecond)))
			if r.IntN(2) == 0 {
				s.Step, s.Nth = pick(r, serverSteps), nth(r, 6)
			} else {
				s.KillAfter = 1 + moment(r)
			}
		}
		servers[i] = s
	}
	return servers
}

// planFaults gives badness of a hundred requests a fault.
func planFaults(r *rand.Rand, badness int) []ingesttest.Fault {
	kinds := []ingesttest.Fault{
		{Status: 500}, {Status: 503}, {Status: 502}, {Status: 429, RetryAfter: "1"}, {Status: 503, RetryAfter: "1"},
		{Status: 400}, {Status: 400}, {Status: 413}, {Status: 401},
		{Cut: true}, {LoseAnswer: true}, {CutAnswer: true}, {LoseAnswer: true}, {CutAnswer: true},
		{Delay: 30 * time.Millisecond}, {Delay: 3 * time.Millisecond}, {Hang: true},
		{Status: 200, Body: "<html>a portal</html>"},
	}
	faults := make([]ingesttest.Fault, 300)
	for i := range faults {
		if r.IntN(100) < badness {
			faults[i] = kinds[r.IntN(len(kinds))]
		}
	}
	return faults
}

// String describes a life in the message of a failure.
func (l life) String() string {
	end := fmt.Sprintf("stop in good order after %s", l.EndAfter)
	switch {
	case l.Drain:
		end = "drain"
	case l.Step != "":
		end = fmt.Sprintf("die at %s, time %d", l.Step, l.Nth)
	case l.Kill:
		end = fmt.Sprintf("killed after %s", l.EndAfter)
	}
	return fmt.Sprintf("life %d: %d submitters, %d servers, %s", l.Number, l.Submitters, len(l.Server), end)
}

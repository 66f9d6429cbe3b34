package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// maxProblems is the maximum length of Status.Problems.
const maxProblems = 20

// statusTracker collects the part of Status that no other component has. Jobs and their numbers are reported to it
// directly, because they must add up; only problems come from the bus, which may drop events.
type statusTracker struct {
	ended chan struct{} // capacity 1: receives when a job has ended

	mu   sync.Mutex // guards everything below
	s    Status     // phase, numbers and problems
	runs map[*run]struct{}
}

func (t *statusTracker) init() {
	t.runs, t.ended = map[*run]struct{}{}, make(chan struct{}, 1)
	t.setPhase(PhaseStarting)
}

// observe is subscribed to the bus.
func (t *statusTracker) observe(_ context.Context, e event.Event) {
	if e.Severity.Rank() < event.Error.Rank() {
		return
	}
	t.update(func(s *Status) {
		s.Problems = append(s.Problems, Problem{Time: e.Timestamp, Type: e.Type, JobID: e.JobID, Message: e.Message, Error: e.Error})
		slices.SortStableFunc(s.Problems, func(x, y Problem) int { return x.Time.Compare(y.Time) }) // workers of the bus overtake each other
		s.Problems = s.Problems[max(0, len(s.Problems)-maxProblems):]
	})
}

func (t *statusTracker) update(change func(*Status)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.s)
}

func (t *statusTracker) setPhase(p Phase) {
	t.update(func(s *Status) { s.Phase, s.Since = p, time.Now() })
}

func (t *statusTracker) add(r *run) {
	r.phase.Store(phaseReceived)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs[r] = struct{}{}
}

func (t *statusTracker) remove(r *run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.runs, r)
	select {
	case t.ended <- struct{}{}:
	default:
	}
}

// inHand returns the number of jobs that the agent holds, and how many of them have not started.
func (t *statusTracker) inHand() (all, waiting int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for r := range t.runs {
		if r.waits() {
			waiting++
		}
	}
	return len(t.runs), waiting
}

func (t *statusTracker) get() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.s
	s.Problems = slices.Clone(t.s.Problems)
	s.Jobs = []JobStatus{}
	for r := range t.runs {
		if r.waits() {
			s.JobsWaiting++
		}
		s.Jobs = append(s.Jobs, JobStatus{
			ID: r.spec.ID, Scanner: r.spec.Scanner, Target: r.spec.Target, Phase: r.phase.Load().(string), Since: r.begun, Findings: r.findings.Load(),
		})
	}
	slices.SortFunc(s.Jobs, func(x, y JobStatus) int { return x.Since.Compare(y.Since) })
	return s
}

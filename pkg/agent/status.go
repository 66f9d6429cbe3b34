package agent

import (
	"slices"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/resource"
)

// Phase is what an agent is doing.
type Phase string

// The phases of an agent.
const (
	PhaseStarting Phase = "starting"
	PhaseRunning  Phase = "running"  // takes jobs
	PhaseDraining Phase = "draining" // takes none, ends what runs
)

// Status is a moment in the life of an agent.
type Status struct {
	Phase         Phase                     `json:"phase"`
	Since         time.Time                 `json:"since"`        // of the phase
	Jobs          []JobStatus               `json:"jobs"`         // in hand now, oldest first
	JobsWaiting   int                       `json:"jobs_waiting"` // of them those that have not begun
	JobsCompleted int64                     `json:"jobs_completed"`
	JobsFailed    int64                     `json:"jobs_failed"`
	JobsGivenBack int64                     `json:"jobs_given_back"` // to their source, because another component wants the slot or the agent does less: no fault of theirs
	Degradation   limits.DegradationState   `json:"degradation"`
	Rebalancing   limits.RebalanceState     `json:"rebalancing"`
	Resource      resource.ControllerStatus `json:"resource"`
	Pipeline      pipeline.Stats            `json:"pipeline"`
	Problems      []Problem                 `json:"problems"` // the last ones, newest last
}

// JobStatus is a job in hand.
type JobStatus struct {
	ID       string    `json:"id"`
	Scanner  string    `json:"scanner"`
	Target   string    `json:"target"`
	Phase    string    `json:"phase"`
	Since    time.Time `json:"since"`
	Findings int64     `json:"findings"` // read so far
}

// The phases of a job that has not begun.
const (
	phaseReceived = "received"
	phaseWaiting  = "waiting for resources"
)

// Problem is something that went wrong.
type Problem struct {
	Time    time.Time `json:"time"`
	Message string    `json:"message"`
	Error   string    `json:"error,omitempty"`
}

// Status returns what the agent does now.
func (a *Agent) Status() Status {
	s := a.board.status()
	s.Degradation, s.Rebalancing = a.degrade.level.State(), a.rebalancer.State()
	s.Resource, s.Pipeline = a.controller.GetStatus(), a.pipeline.GetStats()
	return s
}

// maxProblems bounds the list of Status.Problems.
const maxProblems = 20

// board keeps what Status shows.
type board struct {
	mu   sync.Mutex
	s    Status // without what others keep
	runs map[*run]struct{}

	ended chan struct{} // capacity 1: a job has ended
}

func (b *board) init() {
	b.runs, b.ended = map[*run]struct{}{}, make(chan struct{}, 1)
	b.setPhase(PhaseStarting)
}

func (b *board) setPhase(p Phase) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.s.Phase, b.s.Since = p, time.Now()
}

func (b *board) add(r *run) {
	r.phase.Store(phaseReceived)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.runs[r] = struct{}{}
}

func (b *board) remove(r *run) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.runs, r)
	select {
	case b.ended <- struct{}{}:
	default:
	}
}

func (b *board) running() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.runs) > 0
}

// waiting is how many jobs have not begun.
func (b *board) waiting() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.runs {
		if r.waits() {
			n++
		}
	}
	return n
}

// waits says whether the job has not begun.
func (r *run) waits() bool {
	p := r.phase.Load()
	return p == phaseReceived || p == phaseWaiting
}

func (b *board) completed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.s.JobsCompleted++
}

func (b *board) failed(spec job.Spec, err error) {
	b.problem("job "+spec.ID+" failed", err)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.s.JobsFailed++
}

func (b *board) givenBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.s.JobsGivenBack++
}

func (b *board) problem(message string, err error) {
	p := Problem{Time: time.Now(), Message: message}
	if err != nil {
		p.Error = err.Error()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.s.Problems = append(b.s.Problems, p)
	b.s.Problems = b.s.Problems[max(0, len(b.s.Problems)-maxProblems):]
}

func (b *board) status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.s
	s.Problems = slices.Clone(b.s.Problems)
	s.Jobs = []JobStatus{}
	for r := range b.runs {
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

package sdktest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rediverio/sdk/pkg/job"
)

// State is where a Job is.
type State string

// The states of a Job.
const (
	Waiting State = "waiting" // to be handed out, perhaps again
	Held    State = "held"    // by the agent
	Acked   State = "acked"   // done
	Failed  State = "failed"  // ended for good without a result
	Lost    State = "lost"    // LoseLease was called
	Gone    State = "gone"    // Cancel was called
)

// The verbs in a Call.
const (
	Ack    = "ack"
	Nak    = "nak"
	Fail   = "fail"
	Extend = "extend"
)

// Call is one call of a verb of a Job.
type Call struct {
	Verb   string        // Ack, Nak, Fail or Extend
	Delay  time.Duration // of Nak
	Reason string        // of Fail
	Time   time.Time
	Err    error // what the verb answered
}

// Job is a job of a Source; see Source.Add.
type Job struct {
	source *Source

	// Guarded by the source.
	spec  job.Spec
	state State
	due   time.Time
	calls []Call
	errs  []error
}

var _ job.Job = (*Job)(nil)

func (j *Job) offeredLocked(w job.Want) bool {
	return j.state == Waiting && !time.Now().Before(j.due) && (len(w.Kinds) == 0 || slices.Contains(w.Kinds, j.spec.Kind))
}

// Spec implements job.Job.
func (j *Job) Spec() job.Spec {
	j.source.mu.Lock()
	defer j.source.mu.Unlock()
	return j.spec
}

// Extend implements job.Job.
func (j *Job) Extend(ctx context.Context) error {
	return j.call(ctx, Call{Verb: Extend}, func() {})
}

// Ack implements job.Job.
func (j *Job) Ack(ctx context.Context) error {
	return j.call(ctx, Call{Verb: Ack}, func() { j.state = Acked })
}

// Nak implements job.Job.
func (j *Job) Nak(ctx context.Context, delay time.Duration) error {
	return j.call(ctx, Call{Verb: Nak, Delay: delay}, func() { j.state, j.due = Waiting, time.Now().Add(delay) })
}

// Fail implements job.Job.
func (j *Job) Fail(ctx context.Context, reason string) error {
	return j.call(ctx, Call{Verb: Fail, Reason: reason}, func() { j.state = Failed })
}

// call keeps a call and, where the agent holds the job, does what it says.
func (j *Job) call(ctx context.Context, c Call, do func()) error {
	s := j.source
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.mu.changedLocked()
	c.Time = time.Now()
	switch {
	case ctx.Err() != nil:
		c.Err = ctx.Err()
	case len(j.errs) > 0:
		c.Err, j.errs = j.errs[0], j.errs[1:]
	case j.state == Lost:
		c.Err = job.ErrLeaseLost
	case j.state == Gone:
		c.Err = job.ErrCanceled
	case j.state == Held:
		do()
	}
	j.calls = append(j.calls, c)
	return c.Err
}

// LoseLease gives the job to somebody else: every verb answers job.ErrLeaseLost from now on.
func (j *Job) LoseLease() { j.set(Lost) }

// Cancel withdraws the job: every verb answers job.ErrCanceled from now on.
func (j *Job) Cancel() { j.set(Gone) }

func (j *Job) set(s State) {
	j.source.mu.Lock()
	defer j.source.mu.Unlock()
	j.state = s
	j.source.mu.changedLocked()
}

// FailNext makes the next n verbs fail with err and do nothing, as when the source cannot be reached.
func (j *Job) FailNext(n int, err error) {
	j.source.mu.Lock()
	defer j.source.mu.Unlock()
	j.errs = append(j.errs, slices.Repeat([]error{err}, n)...)
}

// State returns where the job is.
func (j *Job) State() State {
	j.source.mu.Lock()
	defer j.source.mu.Unlock()
	return j.state
}

// Calls returns the verbs called so far, in their order; only those named, when any is.
func (j *Job) Calls(verbs ...string) []Call {
	j.source.mu.Lock()
	defer j.source.mu.Unlock()
	return j.callsLocked(verbs)
}

func (j *Job) callsLocked(verbs []string) (out []Call) {
	for _, c := range j.calls {
		if len(verbs) == 0 || slices.Contains(verbs, c.Verb) {
			out = append(out, c)
		}
	}
	return out
}

// WaitCalls waits until n calls of these verbs were made, of any when none is named, and returns all there are.
func (j *Job) WaitCalls(ctx context.Context, n int, verbs ...string) (calls []Call, err error) {
	err = j.source.mu.wait(ctx, func() (bool, string) {
		calls = j.callsLocked(verbs)
		return len(calls) >= n, fmt.Sprintf("job %s is %s: %d of %d calls %v", j.spec.ID, j.state, len(calls), n, verbs)
	})
	return calls, err
}

// WaitState waits until the job is in one of these states.
func (j *Job) WaitState(ctx context.Context, states ...State) error {
	return j.source.mu.wait(ctx, func() (bool, string) {
		return slices.Contains(states, j.state), fmt.Sprintf("job %s is %s, not %v", j.spec.ID, j.state, states)
	})
}

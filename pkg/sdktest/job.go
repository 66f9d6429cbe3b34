package sdktest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rediverio/sdk/pkg/job"
)

// State is the state of a Job.
type State string

// The states of a Job.
const (
	Waiting State = "waiting" // not delivered yet, or returned
	Held    State = "held"    // leased by the agent
	Acked   State = "acked"   // ended by Ack
	Failed  State = "failed"  // ended by Fail
	Lost    State = "lost"    // LoseLease was called
	Gone    State = "gone"    // Cancel was called
)

// The values of Call.Verb.
const (
	Ack    = "ack"
	Nak    = "nak"
	Fail   = "fail"
	Extend = "extend"
)

// Call is one call of a method of a Job.
type Call struct {
	// Verb is Ack, Nak, Fail or Extend.
	Verb string
	// Delay is the argument of Nak.
	Delay time.Duration
	// Reason is the argument of Fail.
	Reason string
	// Time is the time of the call.
	Time time.Time
	// Err is what the method returned.
	Err error
}

// Job is a job of a Source; see Source.Add.
type Job struct {
	source *Source

	// The mutex of the source guards everything below.
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

// call records a call and, if the agent holds the job, calls do.
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

// LoseLease gives the job to another agent: every method returns job.ErrLeaseLost from now on.
func (j *Job) LoseLease() { j.set(Lost) }

// Cancel withdraws the job: every method returns job.ErrCanceled from now on.
func (j *Job) Cancel() { j.set(Gone) }

func (j *Job) set(s State) {
	j.source.mu.Lock()
	defer j.source.mu.Unlock()
	j.state = s
	j.source.mu.changedLocked()
}

// FailNext makes the next n calls return err without effect, as when the source cannot be reached.
func (j *Job) FailNext(n int, err error) {
	j.source.mu.Lock()
	defer j.source.mu.Unlock()
	j.errs = append(j.errs, slices.Repeat([]error{err}, n)...)
}

// State returns the state of the job.
func (j *Job) State() State {
	j.source.mu.Lock()
	defer j.source.mu.Unlock()
	return j.state
}

// Calls returns the calls of the given verbs so far, or all calls if none is given, in order.
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

// WaitCalls waits until Calls(verbs...) has n elements, and returns them.
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

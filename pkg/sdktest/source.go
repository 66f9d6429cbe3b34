package sdktest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/job"
)

// Source is a job.Source that records what it was asked and what was done to its jobs. A job that is returned is delivered
// again after its delay, as the next attempt.
type Source struct {
	mu     state
	jobs   []*Job // in the order of Add
	wants  []job.Want
	errs   []error // results of the next calls of Next
	ending bool
}

var _ job.Source = (*Source)(nil)

// Add adds jobs and returns them. A job without an ID is given one. Kind, Scanner and Target default to "scan", "fake" and
// ".".
func (s *Source) Add(specs ...job.Spec) []*Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	var added []*Job
	for _, spec := range specs {
		config.Default(&spec.ID, fmt.Sprintf("job-%d", len(s.jobs)+1))
		config.Default(&spec.Kind, job.KindScan)
		config.Default(&spec.Scanner, "fake")
		config.Default(&spec.Target, ".")
		j := &Job{source: s, spec: spec, state: Waiting}
		s.jobs = append(s.jobs, j)
		added = append(added, j)
	}
	s.mu.changedLocked()
	return added
}

// End makes Next return io.EOF once no job is waiting.
func (s *Source) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
	s.mu.changedLocked()
}

// FailNext makes the next n calls of Next fail with err.
func (s *Source) FailNext(n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, slices.Repeat([]error{err}, n)...)
	s.mu.changedLocked()
}

// Next implements job.Source. Jobs are delivered by priority, then in the order of Add.
func (s *Source) Next(ctx context.Context, w job.Want) ([]job.Job, error) {
	s.mu.Lock()
	s.wants = append(s.wants, w)
	s.mu.changedLocked()
	s.mu.Unlock()
	if w.Max <= 0 {
		return nil, nil
	}
	limit := time.Now().Add(w.Wait)
	for {
		s.mu.Lock()
		jobs, due, err := s.takeLocked(w)
		s.mu.Unlock()
		if len(jobs) > 0 || err != nil {
			return jobs, err
		}
		if !time.Now().Before(limit) {
			return nil, nil
		}
		wake := limit
		if !due.IsZero() && due.Before(wake) {
			wake = due
		}
		if err := s.sleep(ctx, w, wake); err != nil {
			return nil, err
		}
	}
}

// sleep returns at the given time, or earlier if there is something to deliver.
func (s *Source) sleep(ctx context.Context, w job.Want, until time.Time) error {
	wake, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	_ = s.mu.wait(wake, func() (bool, string) { return s.readyLocked(w), "" })
	return ctx.Err()
}

func (s *Source) readyLocked(w job.Want) bool {
	if len(s.errs) > 0 || s.ending && !s.waitingLocked() {
		return true
	}
	return slices.ContainsFunc(s.jobs, func(j *Job) bool { return j.offeredLocked(w) })
}

func (s *Source) waitingLocked() bool {
	return slices.ContainsFunc(s.jobs, func(j *Job) bool { return j.state == Waiting })
}

func (s *Source) takeLocked(w job.Want) (jobs []job.Job, due time.Time, err error) {
	if len(s.errs) > 0 {
		err, s.errs = s.errs[0], s.errs[1:]
		return nil, due, err
	}
	if s.ending && !s.waitingLocked() {
		return nil, due, io.EOF
	}
	sorted := slices.Clone(s.jobs)
	slices.SortStableFunc(sorted, func(a, b *Job) int { return cmp.Compare(b.spec.Priority, a.spec.Priority) })
	for _, j := range sorted {
		switch {
		case j.offeredLocked(w) && len(jobs) < w.Max:
			j.state = Held
			j.spec.Attempt++
			jobs = append(jobs, j)
		case j.state == Waiting && time.Now().Before(j.due) && (due.IsZero() || j.due.Before(due)):
			due = j.due
		}
	}
	if len(jobs) > 0 {
		s.mu.changedLocked()
	}
	return jobs, due, nil
}

// Wants returns the arguments of the calls of Next so far.
func (s *Source) Wants() []job.Want {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wants)
}

// WaitAsked waits until Next was called n times.
func (s *Source) WaitAsked(ctx context.Context, n int) error {
	return s.mu.wait(ctx, func() (bool, string) { return len(s.wants) >= n, fmt.Sprintf("asked %d of %d times", len(s.wants), n) })
}

// WaitEnded waits until no job is waiting or held.
func (s *Source) WaitEnded(ctx context.Context) error {
	return s.mu.wait(ctx, func() (bool, string) {
		left := ""
		for _, j := range s.jobs {
			if j.state == Waiting || j.state == Held {
				left += fmt.Sprintf(" %s %s", j.spec.ID, j.state)
			}
		}
		return left == "", "jobs not ended:" + left
	})
}

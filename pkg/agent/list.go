package agent

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/job"
)

// List is a source with a given list of jobs. When all are handed out it says io.EOF; one that is given back is
// handed out again.
type List struct {
	mu      sync.Mutex
	waiting []*listed
	changed chan struct{}
	failed  map[string]string
}

// NewList returns a source of these jobs, in their order. Jobs without an ID get one; without a kind they are scans.
func NewList(specs ...job.Spec) *List {
	l := &List{changed: make(chan struct{}, 1), failed: map[string]string{}}
	for i, s := range specs {
		if s.ID == "" {
			s.ID = fmt.Sprintf("job-%s-%d", time.Now().UTC().Format("20060102T150405.000"), i+1)
		}
		if s.Kind == "" {
			s.Kind = "scan"
		}
		l.waiting = append(l.waiting, &listed{list: l, spec: s})
	}
	return l
}

// Next hands out the next jobs; see job.Source.
func (l *List) Next(ctx context.Context, w Want) ([]job.Job, error) {
	if w.Max <= 0 {
		return nil, nil
	}
	timeout := time.NewTimer(w.Wait)
	defer timeout.Stop()
	for {
		jobs, due, err := l.take(w.Max)
		if len(jobs) > 0 || err != nil {
			return jobs, err
		}
		var again <-chan time.Time
		if !due.IsZero() {
			t := time.NewTimer(time.Until(due))
			defer t.Stop()
			again = t.C
		}
		select {
		case <-l.changed:
		case <-again:
		case <-timeout.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take returns the jobs that are due, or when the next one is.
func (l *List) take(n int) (jobs []job.Job, due time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		return nil, time.Time{}, io.EOF
	}
	now := time.Now()
	rest := l.waiting[:0]
	for _, j := range l.waiting {
		switch {
		case len(jobs) < n && !j.due.After(now):
			j.spec.Attempt++
			j.ended = false
			jobs = append(jobs, j)
		default:
			if due.IsZero() || j.due.Before(due) {
				due = j.due
			}
			rest = append(rest, j)
		}
	}
	l.waiting = rest
	return jobs, due, nil
}

// Failed returns the reasons of the jobs that ended for good without a report, by job ID.
func (l *List) Failed() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[string]string, len(l.failed))
	for id, why := range l.failed {
		out[id] = why
	}
	return out
}

// listed is a job of a List.
type listed struct {
	list  *List
	spec  job.Spec
	due   time.Time
	ended bool
}

func (j *listed) Spec() job.Spec               { return j.spec }
func (j *listed) Extend(context.Context) error { return nil }

func (j *listed) Ack(context.Context) error {
	j.end(func() {})
	return nil
}

func (j *listed) Nak(_ context.Context, delay time.Duration) error {
	j.end(func() {
		j.due = time.Now().Add(delay)
		j.list.waiting = append(j.list.waiting, j)
	})
	return nil
}

func (j *listed) Fail(_ context.Context, reason string) error {
	j.end(func() { j.list.failed[j.spec.ID] = reason })
	return nil
}

func (j *listed) end(then func()) {
	l := j.list
	l.mu.Lock()
	defer l.mu.Unlock()
	if j.ended {
		return
	}
	j.ended = true
	then()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

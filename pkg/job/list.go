package job

import (
	"context"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"
)

// A List is a Source that delivers a fixed list of jobs. Once all of them are delivered, Next returns io.EOF. A job
// that is returned with Nak is delivered again.
type List struct {
	mu      sync.Mutex
	waiting []*listed
	changed chan struct{} // capacity 1: receives when a job has ended
	failed  map[string]string
}

var _ Source = (*List)(nil)

// NewList returns a List of the given jobs, in their order. A job without an ID is given one, and a job without a kind
// is a scan.
func NewList(specs ...Spec) *List {
	l := &List{changed: make(chan struct{}, 1), failed: map[string]string{}}
	for i, s := range specs {
		if s.ID == "" {
			s.ID = fmt.Sprintf("job-%s-%d", time.Now().UTC().Format("20060102T150405.000"), i+1)
		}
		s.setDefaults()
		l.waiting = append(l.waiting, &listed{list: l, spec: s})
	}
	return l
}

// Next implements Source.
func (l *List) Next(ctx context.Context, w Want) ([]Job, error) {
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
		again := time.NewTimer(time.Until(due))
		select {
		case <-l.changed:
		case <-again.C:
		case <-timeout.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		again.Stop()
	}
}

// take returns up to n jobs that are due, or the time at which the next one will be.
func (l *List) take(n int) (jobs []Job, due time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		return nil, due, io.EOF
	}
	now := time.Now()
	rest := l.waiting[:0]
	for _, j := range l.waiting {
		if len(jobs) < n && !j.due.After(now) {
			j.spec.Attempt++
			j.ended = false
			jobs = append(jobs, j)
			continue
		}
		if due.IsZero() || j.due.Before(due) {
			due = j.due
		}
		rest = append(rest, j)
	}
	l.waiting = rest
	return jobs, due, nil
}

// Failed returns the reasons of the jobs that were ended with Fail, by job ID.
func (l *List) Failed() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.failed)
}

// listed is a Job of a List. The list's mutex guards it.
type listed struct {
	list  *List
	spec  Spec
	due   time.Time
	ended bool
}

func (j *listed) Spec() Spec                   { return j.spec }
func (j *listed) Extend(context.Context) error { return nil }

func (j *listed) Ack(context.Context) error {
	return j.end(func() {})
}

func (j *listed) Nak(_ context.Context, delay time.Duration) error {
	return j.end(func() {
		j.due = time.Now().Add(delay)
		j.list.waiting = append(j.list.waiting, j)
	})
}

func (j *listed) Fail(_ context.Context, reason string) error {
	return j.end(func() { j.list.failed[j.spec.ID] = reason })
}

// end calls do unless the job has ended before.
func (j *listed) end(do func()) error {
	l := j.list
	l.mu.Lock()
	defer l.mu.Unlock()
	if j.ended {
		return nil
	}
	j.ended = true
	do()
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return nil
}

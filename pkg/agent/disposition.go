package agent

import (
	"context"
	"errors"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
)

// disposition is what happens to a job that has no report.
type disposition struct {
	verb     verb
	delay    time.Duration // argument of Nak
	severity event.Severity
	message  string
	returned bool // counted as returned rather than failed
}

// verb is the method that ends a job at its source.
type verb int

const (
	fail verb = iota
	nak       // return the job to its source
	none      // the job belongs to another agent now
)

// dispose decides what happens to a job whose scan has ended with err. cause is the cause of the end of its context.
func (r *run) dispose(cause, err error) disposition {
	retryDelay := max(r.a.cfg.RetryDelay, 0)
	var degraded *limits.DegradedError
	switch {
	case errors.Is(cause, job.ErrLeaseLost), errors.Is(cause, job.ErrCanceled):
		return disposition{none, 0, event.Error, "job failed", false}
	case errors.Is(cause, scan.ErrShutdown):
		return disposition{nak, 0, event.Warn, "job returned to its source: agent is stopping", false}
	case errors.Is(cause, ErrRevoked):
		return disposition{nak, retryDelay, event.Warn, "job returned to its source: " + ErrRevoked.Error(), true}
	case errors.As(err, &degraded):
		return disposition{nak, retryDelay, event.Warn, "job returned to its source: agent is degraded", true}
	case temporary(err) && r.spec.Attempt < r.a.cfg.MaxAttempts:
		return disposition{nak, retryDelay, event.Error, "job failed", false}
	}
	return disposition{fail, 0, event.Error, "job failed", false}
}

// temporary reports whether another attempt may succeed.
func temporary(err error) bool {
	var t interface{ Temporary() bool }
	if errors.As(err, &t) {
		return t.Temporary()
	}
	var throttled *resource.ThrottledError
	return errors.As(err, &throttled) || errors.Is(err, pipeline.ErrQueueFull) || errors.Is(err, pipeline.ErrStopped)
}

// endWithout ends a job that has no report.
func (r *run) endWithout(cause, err error) {
	d := r.dispose(cause, err)
	e := event.Event{Type: event.JobFailed, Severity: d.severity, Message: d.message, Error: err.Error(), Duration: time.Since(r.begun),
		Details: map[string]any{"scanner": r.spec.Scanner, "target": r.spec.Target}}
	var se *scan.Error
	if errors.As(err, &se) {
		e.Details["cause"], e.Details["exit_code"], e.Details["stderr"] = string(se.Cause), se.ExitCode, se.Stderr
		if se.Cause == scan.CauseTimeout {
			e.Type = event.JobTimeout
		}
	}
	switch {
	case d.verb == none:
		e.Details["given_up"] = cause.Error()
	case d.verb == nak && d.delay > 0:
		e.Details["retry_after_ms"] = d.delay.Milliseconds()
	}
	r.a.status.update(func(s *Status) {
		if d.returned {
			s.JobsReturned++
		} else {
			s.JobsFailed++
		}
	})
	r.a.record(r.spec, e)
	if d.verb == none {
		return
	}
	r.a.endAtSource(r.spec, func(ctx context.Context) error {
		if d.verb == nak {
			return r.job.Nak(ctx, d.delay)
		}
		return r.job.Fail(ctx, err.Error())
	})
}

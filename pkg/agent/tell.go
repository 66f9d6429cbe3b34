package agent

import (
	"errors"
	"net/http"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
)

// record hands an event about a job, or about none, to the sink.
func (a *Agent) record(spec job.Spec, e event.Event) {
	e.JobID, e.TenantID = spec.ID, spec.TenantID
	a.cfg.Sink.Record(e)
}

// stopped is the last word of Run.
func (a *Agent) stopped(ran time.Duration, err error) {
	s := a.Status()
	e := event.Event{Type: event.AgentStop, Message: "agent stopped", Duration: ran,
		Details: map[string]any{"jobs_completed": s.JobsCompleted, "jobs_failed": s.JobsFailed, "reports_left": s.Pipeline.QueueLength + s.Pipeline.InProgress}}
	if err != nil {
		e.Severity, e.Error = event.Warn, err.Error()
	}
	a.record(job.Spec{}, e)
}

// problem records what is not the end of a job. spec is of the job it happened to, if it did to one; err may be nil.
func (a *Agent) problem(spec job.Spec, message string, err error) {
	e := event.Event{Type: event.AgentError, Severity: event.Error, Message: message}
	if err != nil {
		e.Error = err.Error()
		e.Type, e.Severity, e.Details = kindOf(err)
	}
	a.board.problem(message, err)
	a.record(spec, e)
}

// kindOf tells a source that refuses us, and one that gave what is no job, from one that failed. Errors say it by the
// methods that those of a pipeline.Uploader have.
func kindOf(err error) (event.Type, event.Severity, map[string]any) {
	var details map[string]any
	var status int
	var h interface{ HTTPStatus() int }
	if errors.As(err, &h) && h.HTTPStatus() != 0 {
		status = h.HTTPStatus()
		details = map[string]any{"status": status}
	}
	var u interface{ Unauthorized() bool }
	switch {
	case errors.As(err, &u) && u.Unauthorized():
		return event.AuthFailed, event.Critical, details
	case status == http.StatusTooManyRequests:
		return event.RateLimited, event.Warn, details
	case errors.Is(err, job.ErrInvalid):
		return event.ValidationError, event.Error, details
	}
	return event.AgentError, event.Error, details
}

package agent

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
)

// connectEvents makes the one sink of the agent and gives it to the parts that were constructed without one.
func (a *Agent) connectEvents() (err error) {
	if a.bus == nil {
		if a.bus, err = event.NewBus(event.BusConfig{}); err != nil {
			return err
		}
	}
	a.bus.Subscribe(a.status.observe)
	out := event.Tee(a.cfg.Sink, a.bus)
	a.sink = event.SinkFunc(func(e event.Event) {
		if e.Timestamp.IsZero() { // the same time for everyone
			e.Timestamp = time.Now()
		}
		out.Record(e)
	})
	for _, part := range []any{a.cfg.Source, a.cfg.Uploader, a.cfg.Pipeline.Spool} {
		if s, ok := part.(event.SinkSetter); ok {
			s.SetDefaultSink(a.sink)
		}
	}
	if s, ok := find[event.SinkSetter](a.cfg.Scanner); ok {
		s.SetDefaultSink(a.sink)
	}
	return nil
}

// record records an event about a job, or about none if spec is zero.
func (a *Agent) record(spec job.Spec, e event.Event) {
	e.JobID, e.TenantID = spec.ID, spec.TenantID
	a.sink.Record(e)
}

func (a *Agent) recordStart() {
	details := map[string]any{"version": a.cfg.Version, "pid": os.Getpid()}
	if c, ok := find[Container](a.cfg.Scanner); ok {
		details["containment"] = c.Containment().String()
	}
	a.record(job.Spec{}, event.Event{Type: event.AgentStart, Message: "agent started", Details: details})
	for _, w := range a.warnings() {
		a.record(job.Spec{}, event.Event{Type: event.AgentError, Severity: event.Warn, Message: w})
	}
}

// warnings lists the protection that this agent lacks.
func (a *Agent) warnings() []string {
	if _, ok := find[Coster](a.cfg.Scanner); !ok {
		return []string{fmt.Sprintf("scanner %T does not implement agent.Coster: its scans are started without regard to the memory they need", a.cfg.Scanner)}
	}
	return []string{}
}

func (a *Agent) recordStop(ran time.Duration, err error) {
	s := a.Status()
	e := event.Event{Type: event.AgentStop, Message: "agent stopped", Duration: ran,
		Details: map[string]any{"jobs_completed": s.JobsCompleted, "jobs_failed": s.JobsFailed, "reports_left": s.Pipeline.QueueLength + s.Pipeline.InProgress}}
	if err != nil {
		e.Severity, e.Error = event.Warn, err.Error()
	}
	a.record(job.Spec{}, e)
}

// problem records a failure that does not end a job. spec is the job it concerns, or zero.
func (a *Agent) problem(spec job.Spec, message string, err error) {
	e := event.Event{Type: event.AgentError, Severity: event.Error, Message: message, Error: message}
	if err != nil {
		e.Error = err.Error()
		e.Type, e.Severity, e.Details = classify(err)
	}
	a.record(spec, e)
}

// protect calls a function of the user and records its panic.
func (a *Agent) protect(spec job.Spec, name string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			a.problem(spec, name+" panicked", fmt.Errorf("%v", p))
		}
	}()
	f()
}

// classify tells credentials that a source refuses, and jobs that are invalid, from other failures, by the methods that
// the errors of a pipeline.Uploader have as well.
func classify(err error) (event.Type, event.Severity, map[string]any) {
	var details map[string]any
	status := 0
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

package agent

import (
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/resource"
)

// Phase is a phase in the life of an agent.
type Phase string

// The phases of an agent.
const (
	PhaseStarting Phase = "starting" // Run was not called yet
	PhaseRunning  Phase = "running"  // the agent takes jobs
	PhaseDraining Phase = "draining" // the agent takes no jobs and finishes those that run
	PhaseStopped  Phase = "stopped"  // Run has returned
)

// Status is the state of an agent at one moment.
type Status struct {
	// Phase is the current phase of the agent, and Since the time when it began.
	Phase Phase     `json:"phase"`
	Since time.Time `json:"since"`
	// Jobs are the jobs that the agent holds, oldest first.
	Jobs []JobStatus `json:"jobs"`
	// JobsWaiting is the number of Jobs that have not started.
	JobsWaiting int `json:"jobs_waiting"`
	// JobsCompleted is the number of jobs that have ended with a report.
	JobsCompleted int64 `json:"jobs_completed"`
	// JobsFailed is the number of jobs that have ended without a report.
	JobsFailed int64 `json:"jobs_failed"`
	// JobsReturned is the number of jobs that were returned to their source through no fault of their own: another
	// component reclaimed the slot, or the agent was degraded.
	JobsReturned int64 `json:"jobs_given_back"`
	// Degradation and Rebalancing are the states of the two mechanisms of those names.
	Degradation limits.DegradationState `json:"degradation"`
	Rebalancing limits.RebalanceState   `json:"rebalancing"`
	// Resource is the state of the admission of jobs.
	Resource resource.ControllerStatus `json:"resource"`
	// Pipeline is the state of the uploads.
	Pipeline pipeline.Stats `json:"pipeline"`
	// Bus counts the events that were passed to subscribed handlers, and those that were dropped.
	Bus event.BusStats `json:"bus"`
	// Warnings lists the protection that this agent lacks because of the way it was built.
	Warnings []string `json:"warnings"`
	// Problems are the last 20 events of severity ERROR or CRITICAL of all parts of the agent, newest last. They come
	// through the Bus: they appear with a short delay, and one may be missing if Bus.Dropped is not zero. The numbers
	// above do not depend on the Bus.
	Problems []Problem `json:"problems"`
}

// JobStatus is the state of a job that the agent holds.
type JobStatus struct {
	ID      string    `json:"id"`
	Scanner string    `json:"scanner"`
	Target  string    `json:"target"`
	Phase   string    `json:"phase"` // received, waiting for resources, scanning or reading results
	Since   time.Time `json:"since"` // when the job was received
	// Findings is the number of findings that were read so far.
	Findings int64 `json:"findings"`
}

// Problem is a recent event of severity ERROR or CRITICAL.
type Problem struct {
	Time    time.Time  `json:"time"`
	Type    event.Type `json:"type"`
	JobID   string     `json:"job_id,omitempty"` // empty: the event belongs to no job
	Message string     `json:"message"`
	Error   string     `json:"error,omitempty"`
}

// Status returns the state of the agent.
func (a *Agent) Status() Status {
	s := a.status.get()
	s.Degradation, s.Rebalancing = a.degrader.level.State(), a.rebalancer.State()
	s.Resource, s.Pipeline, s.Bus = a.controller.GetStatus(), a.pipeline.GetStats(), a.bus.Stats()
	s.Warnings = a.warnings()
	return s
}

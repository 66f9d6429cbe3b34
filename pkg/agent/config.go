package agent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
)

// Config configures an Agent. Source, Scanner and Uploader are required; a zero value of another field means its default.
type Config struct {
	// TenantID is the tenant of jobs that name none.
	TenantID string
	// Version is the version of the program. It is part of the agent_start event.
	Version string

	// Source is where jobs come from.
	Source job.Source
	// Scanner runs the jobs.
	Scanner Scanner
	// Uploader sends reports to their receiver.
	Uploader pipeline.Uploader

	// Pipeline configures the uploads. With its Spool, reports are durable.
	Pipeline pipeline.PipelineConfig
	// Resource configures the admission of jobs.
	Resource resource.ControllerConfig
	// Rebalance lets the guarantees of Resource.Budgets follow the demand. The zero value leaves them as they are. A job
	// is charged to the budget that has the name of its scanner, or else to resource.DefaultComponent.
	Rebalance limits.RebalanceConfig
	// Degradation reduces the work of the agent while its host is in trouble; see limits.Limits.DegradationConfig. If nil,
	// the agent is never degraded.
	Degradation *limits.DegradationConfig
	// Signals, if set, adds measurements to those by which Degradation is decided. It is called once per sample, by one
	// goroutine, and must return when ctx ends.
	Signals func(ctx context.Context, s limits.Signals)

	// PollWait is the maximum time that Source waits for a job. Defaults to 30 seconds.
	PollWait time.Duration
	// RetryDelay is the time after which a job is delivered again that failed for a temporary reason. Defaults to 1
	// minute; -1 means at once.
	RetryDelay time.Duration
	// MaxAttempts is the number of deliveries after which a temporary failure of a job is final. Defaults to 3.
	MaxAttempts int
	// DrainTimeout is the maximum time that running jobs may take after the context of Run is cancelled. Defaults to 5
	// minutes; -1 means that they are stopped at once.
	DrainTimeout time.Duration
	// FlushTimeout is the maximum time to wait for uploads after Source has returned io.EOF. Defaults to 30 seconds; -1
	// means not to wait.
	FlushTimeout time.Duration

	// OnJob, if set, is called when a job has ended; its report may not be uploaded yet. It is called concurrently.
	OnJob func(JobResult)

	// Heartbeat, if set, is called when the agent starts, every HeartbeatInterval, and when it stops, for example to
	// report the status to a server. ctx ends after HeartbeatTimeout. The first of several failures in a row is recorded
	// as an event.
	Heartbeat func(ctx context.Context, s Status) error
	// HeartbeatInterval is the time between two heartbeats. Defaults to 1 minute.
	HeartbeatInterval time.Duration

	// Sink receives the events of the agent and of all its parts: the agent gives it to its pipeline and controller, and
	// to the Source, Scanner, Uploader and Pipeline.Spool that implement event.SinkSetter and have no Sink of their own.
	// If nil, events of severity WARN and above are written to slog.Default. To write events to another logger, set it to
	// event.Slog(logger); to drop them, to event.Nop.
	Sink event.Sink
	// Bus passes the events on to the handlers given to Agent.Subscribe. Run starts and stops it. If nil, the agent makes
	// one with the default configuration. Sink must not contain the Bus.
	Bus *event.Bus
}

// The defaults of Config.
const (
	DefaultPollWait          = 30 * time.Second
	DefaultRetryDelay        = time.Minute
	DefaultMaxAttempts       = 3
	DefaultDrainTimeout      = 5 * time.Minute
	DefaultFlushTimeout      = 30 * time.Second
	DefaultHeartbeatInterval = time.Minute
)

// JobResult describes how a job has ended.
type JobResult struct {
	// Spec is the description of the job.
	Spec job.Spec
	// Result is what the scanner returned. It is nil if Err is not.
	Result *scan.Result
	// Err is the reason why there is no report.
	Err error
}

func (c Config) withDefaults() Config {
	config.Default(&c.PollWait, DefaultPollWait)
	config.Default(&c.RetryDelay, DefaultRetryDelay)
	config.Default(&c.MaxAttempts, DefaultMaxAttempts)
	config.Default(&c.DrainTimeout, DefaultDrainTimeout)
	config.Default(&c.FlushTimeout, DefaultFlushTimeout)
	config.Default(&c.HeartbeatInterval, DefaultHeartbeatInterval)
	if c.Sink == nil {
		c.Sink = event.AtLeast(event.Warn, event.Slog(slog.Default()))
	}
	return c
}

// Validate returns all problems of c, Pipeline, Resource, Rebalance and Degradation in one error.
func (c Config) Validate() error {
	c = c.withDefaults()
	v := config.New("agent")
	for _, required := range []struct {
		name    string
		missing bool
	}{{"source", c.Source == nil}, {"scanner", c.Scanner == nil}, {"uploader", c.Uploader == nil}} {
		if required.missing {
			v.Addf(required.name, "is required")
		}
	}
	const longest = 30 * 24 * time.Hour
	config.Range(v, "poll_wait", c.PollWait, time.Millisecond, longest)
	config.RangeOrOff(v, "retry_delay", c.RetryDelay, time.Millisecond, longest)
	config.Range(v, "max_attempts", c.MaxAttempts, 1, 1_000_000)
	config.RangeOrOff(v, "drain_timeout", c.DrainTimeout, time.Millisecond, longest)
	config.RangeOrOff(v, "flush_timeout", c.FlushTimeout, time.Millisecond, longest)
	config.Range(v, "heartbeat_interval", c.HeartbeatInterval, time.Second, longest)
	errs := []error{v.Err(), c.Pipeline.Validate(), c.Resource.Validate(), c.Rebalance.Validate()}
	if c.Degradation != nil {
		errs = append(errs, c.Degradation.Validate())
	}
	return errors.Join(errs...)
}

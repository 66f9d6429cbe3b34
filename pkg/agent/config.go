// Package agent runs the main loop of a scanning daemon: it holds a slot, takes a job from a source, lets a scanner
// work on it, hands the report to the upload pipeline, and acknowledges the job when the report is upstream.
package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
)

// Scanner turns a target into a report, item by item; *scan.Runner is the one for external tools. Scan is called
// concurrently. It opens at most one report, completes or aborts what it opened, and stops what it started when ctx
// ends; context.Cause(ctx) says why: scan.ErrShutdown, job.ErrLeaseLost, job.ErrCanceled or ErrRevoked.
type Scanner interface {
	Scan(ctx context.Context, req scan.Request, open scan.OpenFunc) (*scan.Result, error)
}

// coster is a Scanner that knows what a scan will need; *scan.Runner is one.
type coster interface {
	Cost(scanner, target string) scan.Cost
}

// Config says what an agent is made of. Source, Scanner and Uploader must be set; a zero field otherwise means its
// default.
type Config struct {
	TenantID string // of jobs that name none
	Version  string // of the program, for the agent_start event

	Source   job.Source        // where jobs come from
	Scanner  Scanner           // what does them
	Uploader pipeline.Uploader // where reports go

	Pipeline pipeline.PipelineConfig   // upload workers; its Spool makes reports durable
	Resource resource.ControllerConfig // admission of jobs

	// Degradation lets the agent do less while its host is in trouble, and Vitals adds to what it is judged by: the
	// store, the audit log. Vitals is called with each sample, one call at a time, and gives up with ctx. Both may be
	// nil; without Degradation the agent always does everything. See limits.Limits.DegradationConfig.
	Degradation *limits.DegradationConfig
	Vitals      func(ctx context.Context, v limits.Vitals)

	// Rebalance lets guarantees of Resource.Budgets follow what is needed; the zero value leaves them as they are. A job
	// is paid for by the budget that has the name of its scanner, and where there is none by that of
	// resource.DefaultComponent.
	Rebalance limits.RebalanceConfig

	PollWait     time.Duration // how long to wait for a job at the source; default 30s
	RetryDelay   time.Duration // before a job that failed for a passing reason is offered again; default 1m
	MaxAttempts  int           // deliveries of a job after which a passing failure is final; default 3
	DrainTimeout time.Duration // how long running jobs may go on after Run's context is cancelled; default 5m
	FlushTimeout time.Duration // how long to wait for uploads once the source has ended; default 30s; -1: not at all

	OnJob func(JobResult) // a job has ended, its uploads perhaps not yet; may be called concurrently
	Sink  event.Sink      // gets agent_…, job_…, degradation_changed and budget_changed events, and what sources refuse; nil: none. Pipeline and Resource have sinks of their own
}

// The defaults of Config.
const (
	DefaultPollWait     = 30 * time.Second
	DefaultRetryDelay   = time.Minute
	DefaultMaxAttempts  = 3
	DefaultDrainTimeout = 5 * time.Minute
	DefaultFlushTimeout = 30 * time.Second
)

// JobResult is how a job ended.
type JobResult struct {
	Spec   job.Spec
	Result *scan.Result // nil when Err is set
	Err    error
}

func (c Config) withDefaults() Config {
	c.PollWait = cmp.Or(c.PollWait, DefaultPollWait)
	c.RetryDelay = cmp.Or(c.RetryDelay, DefaultRetryDelay)
	c.MaxAttempts = cmp.Or(c.MaxAttempts, DefaultMaxAttempts)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, DefaultDrainTimeout)
	c.FlushTimeout = cmp.Or(c.FlushTimeout, DefaultFlushTimeout)
	c.Sink = event.OrNop(c.Sink)
	return c
}

// Validate returns everything that is missing or out of range, in one error.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	if c.Source == nil {
		errs = append(errs, errors.New("no Source"))
	}
	if c.Scanner == nil {
		errs = append(errs, errors.New("no Scanner"))
	}
	if c.Uploader == nil {
		errs = append(errs, errors.New("no Uploader"))
	}
	if c.MaxAttempts < 1 {
		errs = append(errs, fmt.Errorf("MaxAttempts: %d is below 1", c.MaxAttempts))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"PollWait", c.PollWait}, {"RetryDelay", c.RetryDelay}, {"DrainTimeout", c.DrainTimeout}} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("%s: %v is negative", d.name, d.value))
		}
	}
	if c.Degradation != nil {
		errs = append(errs, c.Degradation.Validate())
	}
	return errors.Join(append(errs, c.Pipeline.Validate(), c.Resource.Validate(), c.Rebalance.Validate())...)
}

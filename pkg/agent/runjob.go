package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
)

// start runs a job on its slot, nil where none is held yet. What it returns is closed when the job has what it needs
// of the host, or has ended.
func (a *Agent) start(j job.Job, slot *resource.Slot) (admitted <-chan struct{}) {
	spec := j.Spec()
	if spec.TenantID == "" {
		spec.TenantID = a.cfg.TenantID
	}
	a.record(spec, event.Event{Type: event.JobReceived, Message: "job received", Details: map[string]any{"scanner": spec.Scanner, "target": spec.Target, "attempt": spec.Attempt}})
	r := &run{a: a, job: j, spec: spec, slot: slot, begun: time.Now(), admitted: make(chan struct{})}
	a.board.add(r)
	a.jobs.Go(r.run)
	return r.admitted
}

// run is one job under way.
type run struct {
	a     *Agent
	job   job.Job
	spec  job.Spec
	slot  *resource.Slot
	begun time.Time

	cancel context.CancelCauseFunc // of the scan

	admitted chan struct{} // closed by admit
	accepted atomic.Bool   // the pipeline has its report
	sum      part.Summary  // of it
	phase    atomic.Value  // string
	findings atomic.Int64
}

func (r *run) run() {
	defer r.a.board.remove(r)
	ctx, cancel := context.WithCancelCause(r.a.scanCtx)
	defer cancel(nil)
	r.cancel = cancel
	d, err := r.a.expect(r)
	var res *scan.Result
	if err == nil {
		r.a.deliveries.leases.Go(func() { r.keepLease(cancel, d) })
		res, err = r.scan(ctx)
	} else {
		close(r.admitted)
	}
	r.slot.Release()
	result := JobResult{Spec: r.spec, Result: res, Err: err}
	if err != nil {
		result.Result = nil
		if d != nil {
			r.a.forget(d)
		}
		r.failed(context.Cause(ctx), err)
	} else {
		r.a.board.completed()
		r.a.record(r.spec, event.Event{Type: event.JobCompleted, ReportID: res.ReportID, Message: "job completed", Duration: time.Since(r.begun),
			Details: map[string]any{"scanner": r.spec.Scanner, "target": r.spec.Target, "findings_count": res.Summary.Findings, "partial": res.Partial}})
		r.a.submitted(d, r.sum, r.sum.Uploaded || !r.accepted.Load())
	}
	r.a.onJob(result)
}

// onJob runs user code, whose panic must not end the process.
func (a *Agent) onJob(result JobResult) {
	if a.cfg.OnJob == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			a.problem(result.Spec, "OnJob panicked", fmt.Errorf("%v", p))
		}
	}()
	a.cfg.OnJob(result)
}

// scan waits for what the scanner needs and runs it. A panic is an error.
func (r *run) scan(ctx context.Context) (res *scan.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			const enough = 2 << 10
			stack := debug.Stack()
			err = fmt.Errorf("scanner panicked: %v\n%s", p, stack[:min(len(stack), enough)])
		}
	}()
	if err := r.admit(ctx); err != nil {
		return nil, err
	}
	defer r.heed()()
	r.phase.Store("scanning")
	r.a.record(r.spec, event.Event{Type: event.JobStarted, Message: "job started", Details: map[string]any{"scanner": r.spec.Scanner, "target": r.spec.Target}})
	res, err = r.a.cfg.Scanner.Scan(ctx, scan.Request{
		JobID: r.spec.ID, TenantID: r.spec.TenantID, ReportID: report.CleanID(r.spec.ID), Scanner: r.spec.Scanner, Target: r.spec.Target, Timeout: r.spec.Timeout,
		OnMemory: r.slot.SetUsed, // so that admission holds back only what the scanner has not taken yet
	}, r.open(ctx))
	if err == nil && res == nil {
		err = errors.New("scanner gave no result and no error")
	}
	return res, err
}

// admit exchanges the slot that was held for the job by what its scanner is known to need, or all slots there are
// where that is less. A job whose time is over is refused.
func (r *run) admit(ctx context.Context) (err error) {
	defer close(r.admitted)
	if !r.spec.NotAfter.IsZero() && time.Now().After(r.spec.NotAfter) {
		return &expiredError{r.spec.NotAfter}
	}
	r.phase.Store(phaseWaiting)
	var need resource.Request
	if c, ok := r.a.cfg.Scanner.(coster); ok {
		cost := c.Cost(r.spec.Scanner, r.spec.Target)
		need.Slots, need.MemoryBytes, need.Guess = cost.Slots, cost.MemoryBytes, cost.Learned
	}
	need.Priority, need.Component, need.Goroutines = r.spec.Priority, r.a.component(r.spec.Scanner), r.a.goroutines()
	level := r.a.degrade.level
	if err := level.Refuse(need.Priority, need.MemoryBytes); err != nil {
		return err
	}
	// A slot that was held before the agent came to do less may be one too many: it is asked for again.
	if r.slot != nil && need.Slots <= 1 && need.MemoryBytes == 0 && level.Level() == limits.LevelFull && r.a.controller.Barred() == nil {
		return nil
	}
	r.slot.Release()
	for slots := need.Slots; ; { // again when the slots became fewer while it waited
		need.Slots = min(slots, r.a.controller.GetStatus().MaxJobs)
		if r.slot, err = r.a.controller.Acquire(ctx, need); err == nil {
			return level.Refuse(need.Priority, need.MemoryBytes) // the agent may have come to do less meanwhile
		}
		var large *resource.ErrTooLarge
		if !errors.As(err, &large) || large.Resource != resource.Slots || large.Limit < 1 {
			return err
		}
		if large.Component != "" {
			slots = int(large.Limit) // what its budget has at most
		}
	}
}

// open is the door through which the scanner's findings reach the pipeline. The report has the job's ID, by which the end
// of its uploads finds the job.
func (r *run) open(ctx context.Context) scan.OpenFunc {
	return func(head *report.Report) (part.Writer, error) {
		h := *head
		h.Metadata.ID = report.CleanID(r.spec.ID)
		w, err := r.a.pipeline.NewWriter(ctx, &h, pipeline.WithJobID(r.spec.ID), pipeline.WithTenantID(r.spec.TenantID), pipeline.WithPriority(r.spec.Priority))
		if err != nil {
			return nil, err
		}
		r.phase.Store("reading results")
		return &countingWriter{w, r}, nil
	}
}

// countingWriter shows progress, and whether the report was accepted.
type countingWriter struct {
	part.Writer
	r *run
}

func (w *countingWriter) Close() (part.Summary, error) {
	sum, err := w.Writer.Close()
	if err == nil {
		w.r.sum = sum
		w.r.accepted.Store(true)
	}
	return sum, err
}

func (w *countingWriter) AddFinding(f *report.Finding) error {
	err := w.Writer.AddFinding(f)
	if err == nil {
		w.r.findings.Add(1)
	}
	return err
}

// failed ends a job that gave no report: back to its source when another try may help, else for good.
func (r *run) failed(cause, err error) {
	e := event.Event{Type: event.JobFailed, Severity: event.Error, Message: "job failed", Error: err.Error(), Duration: time.Since(r.begun),
		Details: map[string]any{"scanner": r.spec.Scanner, "target": r.spec.Target}}
	var se *scan.Error
	if errors.As(err, &se) {
		e.Details["cause"], e.Details["exit_code"], e.Details["stderr"] = string(se.Cause), se.ExitCode, se.Stderr
		if se.Cause == scan.CauseTimeout {
			e.Type = event.JobTimeout
		}
	}
	var verb func(context.Context) error
	noted := func() { r.a.board.failed(r.spec, err) }
	again := func() {
		e.Details["retry_after_ms"] = r.a.cfg.RetryDelay.Milliseconds()
		verb = func(ctx context.Context) error { return r.job.Nak(ctx, r.a.cfg.RetryDelay) }
	}
	giveBack := func(why string) { // no fault of the job, however often it comes
		e.Severity, e.Message, noted = event.Warn, "job given back: "+why, r.a.board.givenBack
		again()
	}
	var degraded *limits.ErrDegraded
	switch {
	case errors.Is(cause, job.ErrLeaseLost), errors.Is(cause, job.ErrCanceled):
		e.Details["given_up"] = cause.Error() // somebody else's now: no verb
	case errors.Is(cause, scan.ErrShutdown):
		e.Severity, e.Message = event.Warn, "job given back: the agent stops"
		verb = func(ctx context.Context) error { return r.job.Nak(ctx, 0) }
	case errors.Is(cause, ErrRevoked):
		giveBack(ErrRevoked.Error())
	case errors.As(err, &degraded):
		giveBack("the agent does less")
	case r.passing(err) && r.spec.Attempt < r.a.cfg.MaxAttempts:
		again()
	default:
		verb = func(ctx context.Context) error { return r.job.Fail(ctx, err.Error()) }
	}
	noted()
	r.a.record(r.spec, e)
	if verb != nil {
		r.a.endAtSource(r.spec, verb)
	}
}

// passing says whether the failure is about the moment, not about the job.
func (r *run) passing(err error) bool {
	var t interface{ Temporary() bool }
	if errors.As(err, &t) {
		return t.Temporary()
	}
	var throttled *resource.ErrThrottled
	return errors.As(err, &throttled) || errors.Is(err, pipeline.ErrQueueFull) || errors.Is(err, pipeline.ErrStopped)
}

// minExtend is the shortest time between two extensions of a lease, whatever its source says.
const minExtend = 100 * time.Millisecond

// keepLease extends the job's lease until it has ended. When the lease is gone it cancels the scan, and no verb of the
// job is called any more.
func (r *run) keepLease(cancel context.CancelCauseFunc, d *delivery) {
	if r.spec.LeaseTTL <= 0 {
		return
	}
	every := max(r.spec.LeaseTTL/3, minExtend)
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-t.C:
		}
		ctx, done := context.WithTimeout(d.ctx, every)
		err := r.job.Extend(ctx)
		done()
		for _, end := range []error{job.ErrLeaseLost, job.ErrCanceled} {
			if errors.Is(err, end) {
				d.lost.Store(true)
				cancel(end)
				return
			}
		}
		if err != nil && d.ctx.Err() == nil {
			r.a.problem(r.spec, "lease of job "+r.spec.ID+" could not be extended", err)
		}
	}
}

type expiredError struct{ at time.Time }

func (e *expiredError) Error() string {
	return "job expired at " + e.at.UTC().Format(time.RFC3339)
}

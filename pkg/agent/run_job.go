package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
)

// The phases of a job.
const (
	phaseReceived = "received"
	phaseWaiting  = "waiting for resources"
	phaseScanning = "scanning"
	phaseReading  = "reading results"
)

// run is one job in hand.
type run struct {
	a     *Agent
	job   job.Job
	spec  job.Spec
	slot  *resource.Slot // nil while it waits for one
	begun time.Time

	ctx      context.Context // passed to the scan
	cancel   context.CancelCauseFunc
	admitted chan struct{} // closed when the job has the resources it needs, or has ended
	accepted atomic.Bool   // the pipeline has accepted its report
	sum      part.Summary  // returned when the report was closed
	phase    atomic.Value  // string
	findings atomic.Int64
}

// start runs a job on its slot, which is nil if none is held yet. The returned channel is closed when the job has the
// resources it needs, or has ended.
func (a *Agent) start(j job.Job, slot *resource.Slot) (admitted <-chan struct{}) {
	r := &run{a: a, job: j, spec: j.Spec(), slot: slot, begun: time.Now(), admitted: make(chan struct{})}
	config.Default(&r.spec.TenantID, a.cfg.TenantID)
	r.ctx, r.cancel = context.WithCancelCause(a.scanCtx)
	a.record(r.spec, event.Event{Type: event.JobReceived, Message: "job received",
		Details: map[string]any{"scanner": r.spec.Scanner, "target": r.spec.Target, "attempt": r.spec.Attempt}})
	a.status.add(r)
	a.jobs.Go(r.run)
	return r.admitted
}

// waits reports whether the job has not started.
func (r *run) waits() bool {
	p := r.phase.Load()
	return p == phaseReceived || p == phaseWaiting
}

func (r *run) run() {
	defer r.a.status.remove(r)
	defer r.cancel(nil)
	d, err := r.a.expect(r)
	var res *scan.Result
	if err == nil {
		r.a.deliveries.leases.Go(func() { r.keepLease(d) })
		res, err = r.scan()
	} else {
		close(r.admitted)
	}
	r.slot.Release()
	if err == nil {
		r.complete(d, res)
	} else {
		res = nil
		if d != nil {
			r.a.forget(d)
		}
		r.endWithout(context.Cause(r.ctx), err)
	}
	if r.a.cfg.OnJob != nil {
		r.a.protect(r.spec, "OnJob", func() { r.a.cfg.OnJob(JobResult{Spec: r.spec, Result: res, Err: err}) })
	}
}

func (r *run) complete(d *delivery, res *scan.Result) {
	r.a.status.update(func(s *Status) { s.JobsCompleted++ })
	r.a.record(r.spec, event.Event{Type: event.JobCompleted, ReportID: res.ReportID, Message: "job completed", Duration: time.Since(r.begun),
		Details: map[string]any{"scanner": r.spec.Scanner, "target": r.spec.Target, "findings_count": res.Summary.Findings, "partial": res.Partial}})
	r.a.submitted(d, r.sum, r.sum.Uploaded || !r.accepted.Load())
}

// scan waits for the resources that the scanner needs and runs it. A panic is returned as an error.
func (r *run) scan() (res *scan.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("scanner panicked: %v\n%.2048s", p, debug.Stack())
		}
	}()
	if err := r.admit(); err != nil {
		return nil, err
	}
	defer r.watchRevocation()()
	r.phase.Store(phaseScanning)
	r.a.record(r.spec, event.Event{Type: event.JobStarted, Message: "job started", Details: map[string]any{"scanner": r.spec.Scanner, "target": r.spec.Target}})
	res, err = r.a.cfg.Scanner.Scan(r.ctx, scan.Request{
		JobID: r.spec.ID, TenantID: r.spec.TenantID, ReportID: report.CleanID(r.spec.ID), Scanner: r.spec.Scanner, Target: r.spec.Target, Timeout: r.spec.Timeout,
		OnMemory: r.slot.SetUsed, // so that only the part of the reservation is held back that the scanner does not use yet
	}, r.open)
	if err == nil && res == nil {
		err = errors.New("scanner returned neither a result nor an error")
	}
	return res, err
}

// admit exchanges the slot that was held for the job for the resources that its scanner is known to need, or for all slots
// if it needs more. A job that has expired is refused.
func (r *run) admit() (err error) {
	defer close(r.admitted)
	if !r.spec.NotAfter.IsZero() && time.Now().After(r.spec.NotAfter) {
		return fmt.Errorf("job expired at %s", r.spec.NotAfter.UTC().Format(time.RFC3339))
	}
	r.phase.Store(phaseWaiting)
	var need resource.Request
	if c, ok := find[Coster](r.a.cfg.Scanner); ok {
		cost := c.Cost(r.spec.Scanner, r.spec.Target)
		need.Slots, need.MemoryBytes, need.Guess = cost.Slots, cost.MemoryBytes, cost.Learned
	}
	need.Priority, need.Component = r.spec.Priority, r.a.component(r.spec.Scanner)
	level := r.a.degrader.level
	if err := level.Refuse(need.Priority, need.MemoryBytes); err != nil {
		return err
	}
	// A slot that was acquired before the agent was degraded may be one too many, and is acquired again.
	if r.slot != nil && need.Slots <= 1 && need.MemoryBytes == 0 && level.Level() == limits.LevelFull && r.a.controller.GateError() == nil {
		return nil
	}
	r.slot.Release()
	for slots := need.Slots; ; { // again if the number of slots fell while the job waited
		need.Slots = min(slots, r.a.controller.GetStatus().MaxJobs)
		if r.slot, err = r.a.controller.Acquire(r.ctx, need); err == nil {
			return level.Refuse(need.Priority, need.MemoryBytes) // the agent may have been degraded in the meantime
		}
		var large *resource.TooLargeError
		if !errors.As(err, &large) || large.Resource != resource.Slots || large.Limit < 1 {
			return err
		}
		if large.Component != "" {
			slots = int(large.Limit) // all that its budget can have
		}
	}
}

// open opens the report of the job in the pipeline. Its ID is made from the ID of the job, so that the
// end of its uploads can be matched to the job.
func (r *run) open(head *report.Report) (part.Writer, error) {
	h := *head
	h.Metadata.ID = report.CleanID(r.spec.ID)
	w, err := r.a.pipeline.NewWriter(r.ctx, &h, pipeline.WithJobID(r.spec.ID), pipeline.WithTenantID(r.spec.TenantID), pipeline.WithPriority(r.spec.Priority))
	if err != nil {
		return nil, err
	}
	r.phase.Store(phaseReading)
	return &countingWriter{w, r}, nil
}

// countingWriter counts findings and notes whether the report was accepted.
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

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
)

// Agent is one daemon. Run does its work; the other methods may be called concurrently with it.
type Agent struct {
	cfg        Config
	controller *resource.Controller
	pipeline   *pipeline.Pipeline
	deliveries deliveries
	board      board
	degrade    degrade
	rebalancer *limits.Rebalancer // nil: guarantees stay

	jobs    sync.WaitGroup
	scanCtx context.Context // of running scans; outlives Run's context by the drain
	cut     context.CancelCauseFunc
	ran     sync.Once
}

// New returns an agent that is ready to run. cfg is not changed; the callbacks in cfg.Pipeline are called as well.
func New(cfg Config) (*Agent, error) {
	c := cfg.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("agent config: %w", err)
	}
	a := &Agent{cfg: c}
	a.scanCtx, a.cut = context.WithCancelCause(context.Background())
	a.deliveries.waiting = map[deliveryKey]*delivery{}
	a.board.init()
	a.degrade.a = a
	if c.Degradation != nil {
		var err error
		if a.degrade.level, err = limits.NewDegradation(*c.Degradation); err != nil {
			return nil, fmt.Errorf("agent config: %w", err)
		}
	}
	r := c.Resource
	r.Gate = a.degrade.gated(r.Gate)
	a.controller = resource.NewController(&r)
	var err error
	if a.rebalancer, err = limits.NewRebalancer(a.controller, c.Rebalance, c.Sink); err != nil {
		return nil, fmt.Errorf("rebalancing: %w", err)
	}
	p := c.Pipeline
	// Deferred, and with a key taken before: a callback may panic, or change what it was given.
	p.OnCompleted = func(item *pipeline.QueueItem, res *pipeline.Result) {
		defer a.delivered(deliveryKey{item.TenantID, item.ID}, item.PartKey, nil)
		if c.Pipeline.OnCompleted != nil {
			c.Pipeline.OnCompleted(item, res)
		}
	}
	p.OnFailed = func(item *pipeline.QueueItem, err error) {
		defer a.delivered(deliveryKey{item.TenantID, item.ID}, item.PartKey, err)
		if c.Pipeline.OnFailed != nil {
			c.Pipeline.OnFailed(item, err)
		}
	}
	a.pipeline = pipeline.NewPipeline(&p, c.Uploader)
	return a, nil
}

// Pipeline returns the agent's upload pipeline, through which reports that come from no job may be submitted too.
func (a *Agent) Pipeline() *pipeline.Pipeline { return a.pipeline }

// Controller returns what admits the agent's jobs.
func (a *Agent) Controller() *resource.Controller { return a.controller }

// Run works until ctx is cancelled or the source ends with io.EOF, and returns when nothing of the agent runs any
// more. It can be called once.
//
// Cancelling ctx takes no new jobs, lets running ones end within DrainTimeout, then stops their scanners and gives the
// jobs back; uploads under way end within the pipeline's DrainTimeout, and the rest stays in a durable spool. After
// io.EOF it waits FlushTimeout for the uploads; a *LeftError says what is left after that. Cut shortens everything.
func (a *Agent) Run(ctx context.Context) (err error) {
	first := false
	a.ran.Do(func() { first = true })
	if !first {
		return errors.New("agent ran already")
	}
	defer a.cut(scan.ErrShutdown)
	if err := a.controller.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	defer a.controller.Stop()
	// The pipeline outlives ctx: running jobs still submit their reports during the drain.
	if err := a.pipeline.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	a.board.setPhase(PhaseRunning)
	begun := time.Now()
	details := map[string]any{"version": a.cfg.Version, "pid": os.Getpid()}
	if c, ok := a.cfg.Scanner.(interface{ Containment() scan.Contained }); ok {
		details["containment"] = c.Containment().String()
	}
	a.record(job.Spec{}, event.Event{Type: event.AgentStart, Message: "agent started", Details: details})
	taking, stop := context.WithCancel(ctx)
	defer stop()
	judging, judged := context.WithCancel(context.WithoutCancel(ctx))
	waitJudged := a.degrade.run(judging)
	if err := a.rebalancer.Start(judging); err != nil {
		a.problem(job.Spec{}, "guarantees are not rebalanced", err)
	}
	defer context.AfterFunc(a.scanCtx, stop)() // Cut takes no more jobs either
	err = a.loop(taking)
	ended := err == io.EOF
	if ended || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	a.board.setPhase(PhaseDraining)
	a.finishJobs(ctx, ended)
	err = errors.Join(err, a.finishUploads(ctx, ended))
	judged()
	waitJudged()
	a.rebalancer.Stop()
	a.stopped(time.Since(begun), err)
	return err
}

// Cut stops the scanners of running jobs, which are given back to their source, and cuts the uploads: what a durable
// spool holds stays there. Run then returns soon. It is what a second signal means.
func (a *Agent) Cut() { a.cut(scan.ErrShutdown) }

// loop takes jobs while there are slots for them.
func (a *Agent) loop(ctx context.Context) error {
	pause := pauser{first: time.Second, most: a.cfg.RetryDelay}
	for {
		slots, err := a.holdSlots(ctx)
		if err != nil {
			return err
		}
		busy := a.board.running() // before Next: a job that ends later may be given back
		jobs, err := a.cfg.Source.Next(ctx, job.Want{Max: len(slots), Wait: a.cfg.PollWait, Kinds: []string{job.KindScan}})
		admitted := a.startAll(jobs, slots)
		switch {
		// Only io.EOF itself is the end: a source that cannot be reached may well say io.EOF in other words.
		case err == io.EOF && !busy && len(jobs) == 0:
			return io.EOF
		case err == io.EOF:
			select {
			case <-a.board.ended:
			case <-ctx.Done():
				return ctx.Err()
			}
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			a.problem(job.Spec{}, "job source failed", err)
			if err := pause.wait(ctx); err != nil {
				return err
			}
		default:
			pause.reset()
		}
		if len(a.cfg.Resource.Budgets) > 0 {
			continue // it may wait for its own component, which is no reason to keep the others waiting
		}
		// A job that needs more than its slot waits in line like this loop: taking slots now would keep it waiting
		// for as long as the source is asked.
		for _, ready := range admitted {
			select {
			case <-ready:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// startAll starts the jobs on the slots held for them, and gives back the other slots. The channels close when the jobs
// have what they need, or have ended.
func (a *Agent) startAll(jobs []job.Job, slots []*resource.Slot) (admitted []<-chan struct{}) {
	for i, j := range jobs {
		if i >= len(slots) { // more than was asked for: a slot is found when one is free
			slots = append(slots, nil)
		}
		admitted = append(admitted, a.start(j, slots[i]))
	}
	for _, s := range slots[len(jobs):] {
		s.Release()
	}
	return admitted
}

// holdSlots waits for one slot and takes what else is free, so that no job is taken that cannot run. With budgets it is a
// place for a job, without a slot.
func (a *Agent) holdSlots(ctx context.Context) ([]*resource.Slot, error) {
	if len(a.cfg.Resource.Budgets) > 0 {
		return []*resource.Slot{nil}, a.room(ctx)
	}
	one, err := a.controller.Acquire(ctx, resource.Request{})
	if err != nil {
		return nil, err
	}
	slots := []*resource.Slot{one}
	for len(slots) < maxBatch && a.controller.Room(resource.Request{}) == nil { // full, or throttled: one is enough to go on
		s, err := a.controller.TryAcquire(ctx, resource.Request{})
		if err != nil {
			break
		}
		slots = append(slots, s)
	}
	return slots, nil
}

// maxBatch is how many jobs are asked for at one time.
const maxBatch = 64

// finishJobs waits for the running jobs: as long as they take when the source has ended, DrainTimeout otherwise.
func (a *Agent) finishJobs(ctx context.Context, ended bool) {
	done := make(chan struct{})
	go func() {
		a.jobs.Wait()
		close(done)
	}()
	if ended {
		select {
		case <-done:
			return
		case <-ctx.Done():
		case <-a.scanCtx.Done():
		}
	}
	timeout := time.NewTimer(a.cfg.DrainTimeout)
	defer timeout.Stop()
	select {
	case <-done:
	case <-a.scanCtx.Done():
	case <-timeout.C:
		a.problem(job.Spec{}, "running jobs did not end in time and are stopped", nil)
		a.cut(scan.ErrShutdown)
	}
	<-done
}

// finishUploads flushes when the source has ended, and stops the pipeline.
func (a *Agent) finishUploads(ctx context.Context, ended bool) error {
	if ended && ctx.Err() == nil && a.cfg.FlushTimeout > 0 {
		flush, cancel := context.WithTimeout(ctx, a.cfg.FlushTimeout)
		stop := context.AfterFunc(a.scanCtx, cancel)
		err := a.pipeline.Flush(flush)
		stop()
		cancel()
		if err == nil {
			err = a.pipeline.Stop(context.WithoutCancel(ctx))
			a.endDeliveries()
			return err
		}
	}
	limit := a.cfg.Pipeline.DrainTimeout
	if limit == 0 {
		limit = pipeline.DefaultDrainTimeout
	}
	if ended {
		limit = 0 // FlushTimeout was its time
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	defer context.AfterFunc(a.scanCtx, cancel)()
	err := a.pipeline.Stop(stop)
	a.endDeliveries()
	s := a.pipeline.GetStats()
	if left := s.QueueLength + s.InProgress; err == nil && ended && left > 0 {
		err = &LeftError{Reports: left, Reason: s.LastError}
	}
	return err
}

// LeftError says that reports were not uploaded in time. They are in the durable spool and go on at the next start.
type LeftError struct {
	Reports int64
	Reason  string // the last upload error; may be empty
}

func (e *LeftError) Error() string {
	text := fmt.Sprintf("%d reports are not uploaded yet and kept for the next start", e.Reports)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// pauser waits longer after each failure in a row.
type pauser struct{ first, most, next time.Duration }

func (p *pauser) reset() { p.next = 0 }

func (p *pauser) wait(ctx context.Context) error {
	p.next = min(max(p.next*2, p.first), p.most)
	t := time.NewTimer(p.next)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/scan"
)

// Run takes jobs and runs them until ctx is cancelled or the Source returns io.EOF. It returns when nothing that the
// agent has started is running any more. It can be called once.
//
// When ctx is cancelled, the agent takes no more jobs and waits up to DrainTimeout for those that run. Then it stops their
// scanners and returns the jobs to their source. Uploads in progress may take up to the pipeline's DrainTimeout; reports
// that are not uploaded stay in a durable spool, and that is not an error.
//
// After io.EOF, Run waits for the jobs without a limit, and up to FlushTimeout for the uploads. If reports are left in a
// durable spool after that, it returns a *LeftError; see pipeline.Pipeline.Stop for those that are only in memory.
//
// Jobs that fail are not an error of Run: they are reported by events, Status and OnJob.
func (a *Agent) Run(ctx context.Context) (err error) {
	if a.ran.Swap(true) {
		return errors.New("agent has already been run")
	}
	begun := time.Now()
	defer a.abort(scan.ErrShutdown)
	live := context.WithoutCancel(ctx) // for what must outlive ctx: jobs still submit reports during the drain
	if err := a.bus.Start(live); err != nil {
		return err
	}
	defer a.stopBus()
	if err := a.controller.Start(live); err != nil {
		return err
	}
	defer a.controller.Stop()
	if err := a.pipeline.Start(live); err != nil {
		return err
	}
	a.status.setPhase(PhaseRunning)
	a.recordStart()

	var background sync.WaitGroup
	backCtx, stopBackground := context.WithCancel(live)
	a.degrader.sample(backCtx) // before the first job: a host in trouble gets none
	background.Go(func() { a.followSamples(backCtx) })
	background.Go(func() { a.heartbeats(backCtx) })
	err = a.takeJobs(ctx)
	ended := err == io.EOF
	if ended || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	a.status.setPhase(PhaseDraining)
	a.finishJobs(ctx, ended)
	err = errors.Join(err, a.finishUploads(ctx, ended))
	stopBackground()
	background.Wait()
	a.status.setPhase(PhaseStopped)
	a.recordStop(time.Since(begun), err)
	return err
}

// Abort stops the scanners of running jobs, which are returned to their source, and the uploads. Reports in a durable
// spool stay there. Run returns soon after. A program calls it when it is asked to end a second time.
func (a *Agent) Abort() { a.abort(scan.ErrShutdown) }

// busTimeout bounds the wait for handlers of events when the agent stops.
const busTimeout = 5 * time.Second

func (a *Agent) stopBus() {
	ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
	defer cancel()
	_ = a.bus.Stop(ctx) // Status.Bus counts what was dropped
}

// finishJobs waits for the running jobs: without a limit if the source has ended, and up to DrainTimeout otherwise.
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
	timeout := time.NewTimer(config.OrOff(a.cfg.DrainTimeout))
	defer timeout.Stop()
	select {
	case <-done:
	case <-a.scanCtx.Done():
	case <-timeout.C:
		a.problem(job.Spec{}, "scanners of running jobs are stopped", errors.New("drain timeout exceeded"))
		a.abort(scan.ErrShutdown)
	}
	<-done
}

// finishUploads waits for the uploads if the source has ended, and stops the pipeline.
func (a *Agent) finishUploads(ctx context.Context, ended bool) error {
	limit := a.cfg.Pipeline.DrainTimeout
	config.Default(&limit, pipeline.DefaultDrainTimeout)
	if ended {
		limit = 0
		if a.flush(ctx) {
			limit = pipeline.DefaultDrainTimeout // nothing is left that could take time
		}
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), config.OrOff(limit))
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

// flush waits up to FlushTimeout and reports whether every report has ended.
func (a *Agent) flush(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, config.OrOff(a.cfg.FlushTimeout))
	defer cancel()
	defer context.AfterFunc(a.scanCtx, cancel)()
	return ctx.Err() == nil && a.pipeline.Flush(ctx) == nil
}

// LeftError is returned by Run when reports were not uploaded in time. They are in the durable spool and are uploaded
// after the next start.
type LeftError struct {
	// Reports is the number of reports.
	Reports int64
	// Reason is the last error of an upload. It may be empty.
	Reason string
}

func (e *LeftError) Error() string {
	text := fmt.Sprintf("%d reports are not uploaded yet and stay in the store", e.Reports)
	if e.Reports == 1 {
		text = "1 report is not uploaded yet and stays in the store"
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

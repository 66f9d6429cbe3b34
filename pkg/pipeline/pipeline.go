package pipeline

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/internal/retry"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/report"
)

// Pipeline uploads reports in the background. Its methods may be called concurrently.
type Pipeline struct {
	cfg      PipelineConfig
	cfgErr   error // problems of cfg, which Start and Submit return
	uploader Uploader
	spool    Spool
	memory   *memory // the spool, if it is the built-in one
	sink     *event.Outlet
	backoff  retry.Policy
	gate     gate
	counters counters

	wake    chan struct{} // capacity 1: an idle worker looks for work
	drain   chan struct{} // closed: take no new work and finish what is in hand
	stopped chan struct{} // closed when every worker has ended
	workCtx context.Context
	abort   context.CancelFunc // ends workCtx, and with it every upload
	ending  atomic.Int64       // parts whose outcome is being stored and reported
	changed broadcast          // a part was settled, or a worker found nothing to do

	lifecycle sync.RWMutex // held for reading while a report is accepted, so that none is accepted after Stop
	phase     phase        // guarded by lifecycle
	stopErr   error        // result of the drain; set before stopped is closed
}

type phase int

const (
	idle phase = iota
	running
	draining
)

var _ event.SinkSetter = (*Pipeline)(nil)

// NewPipeline returns a pipeline that sends parts to uploader. A nil cfg means DefaultPipelineConfig; cfg is copied.
// Nothing is uploaded before Start, but reports are accepted. Start and Submit return the error of an invalid cfg.
func NewPipeline(cfg *PipelineConfig, uploader Uploader) *Pipeline {
	if cfg == nil {
		cfg = &PipelineConfig{}
	}
	c, err := cfg.resolve()
	p := &Pipeline{
		cfg: c, cfgErr: err, uploader: uploader, spool: c.Spool, sink: event.NewOutlet(c.Sink),
		backoff: retry.Policy{Initial: c.RetryDelay, Max: c.MaxRetryDelay, Jitter: 0.5},
		gate:    gate{maxPause: c.MaxRetryDelay},
		wake:    make(chan struct{}, 1), stopped: make(chan struct{}), drain: make(chan struct{}),
	}
	p.workCtx, p.abort = context.WithCancel(context.Background())
	if p.spool == nil {
		p.memory = newMemory(c)
		p.spool = p.memory
	}
	return p
}

// SetDefaultSink implements event.SinkSetter.
func (p *Pipeline) SetDefaultSink(s event.Sink) { p.sink.SetDefaultSink(s) }

// Start starts the workers. When ctx is cancelled, the pipeline accepts no new reports, lets uploads continue for
// DrainTimeout, and leaves the rest in the spool; reports that are only in memory then end in OnFailed. Stop does the same
// and waits. Start fails if the configuration is invalid, the pipeline was started before, or Stop was called.
func (p *Pipeline) Start(ctx context.Context) error {
	if p.cfgErr != nil {
		return p.cfgErr
	}
	if p.uploader == nil {
		return errors.New("pipeline: uploader is nil")
	}
	p.lifecycle.Lock()
	defer p.lifecycle.Unlock()
	switch p.phase {
	case running:
		return errors.New("pipeline has already been started")
	case draining:
		return ErrStopped
	}
	p.phase = running
	if l, ok := p.spool.(UploadLimiter); ok {
		l.SetUploadLimits(p.cfg.Workers, p.cfg.UploadDelay)
	}
	var workers sync.WaitGroup
	for range p.cfg.Workers {
		workers.Go(p.work)
	}
	go p.supervise(ctx, &workers)
	return nil
}

// supervise ends the workers after the drain, or after its timeout.
func (p *Pipeline) supervise(ctx context.Context, workers *sync.WaitGroup) {
	defer close(p.stopped)
	done := make(chan struct{})
	go func() {
		workers.Wait()
		close(done)
	}()
	select {
	case <-ctx.Done():
		p.beginDrain()
		timeout := time.NewTimer(config.OrOff(p.cfg.DrainTimeout))
		defer timeout.Stop()
		select {
		case <-done:
		case <-timeout.C:
		case <-p.workCtx.Done():
		}
	case <-done: // Stop was called and everything is drained
	case <-p.workCtx.Done():
	}
	p.abort()
	<-done
	p.stopErr = p.failRest()
}

// failRest ends the reports that are left in memory. A durable spool keeps them.
func (p *Pipeline) failRest() error {
	if p.memory == nil {
		return nil
	}
	for _, d := range p.memory.abandon() {
		p.reportFailed(&d.item, d.prog, ErrStopped)
	}
	return p.counters.unsentError()
}

// beginDrain returns the phase before.
func (p *Pipeline) beginDrain() (before phase) {
	p.lifecycle.Lock()
	defer p.lifecycle.Unlock()
	before = p.phase
	if p.phase != draining {
		p.phase = draining
		close(p.drain)
	}
	return before
}

// stopGrace is the time that Stop waits for uploads whose context has ended.
const stopGrace = 5 * time.Second

// Stop accepts no new reports, finishes the uploads in progress, and returns when all workers have ended. Without a
// durable spool it first makes one attempt for everything that is queued.
//
// If ctx ends before, the uploads are cancelled. What a durable spool holds stays there for the next start; a report that
// is only in memory ends in OnFailed. Stop returns an *UnsentError with every report that it has ended, there or because
// its last attempt failed. It may be called more than once and before Start.
func (p *Pipeline) Stop(ctx context.Context) error {
	if p.beginDrain() == idle {
		p.abort()
		p.stopErr = p.failRest()
		close(p.stopped)
	}
	select {
	case <-p.stopped:
		return p.stopErr
	case <-ctx.Done():
	}
	p.abort()
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-p.stopped:
		return p.stopErr
	case <-grace.C:
		return errors.Join(errors.New("pipeline: an upload ignores the end of its context"), ctx.Err())
	}
}

// Stopped returns a channel that is closed when every worker has ended, after Stop or the end of the context of Start.
func (p *Pipeline) Stopped() <-chan struct{} { return p.stopped }

func (p *Pipeline) isDraining() bool {
	select {
	case <-p.drain:
		return true
	default:
		return false
	}
}

// Flush waits until every accepted report has ended and its callback has returned. It fails with the error of ctx, or with
// ErrStopped if the pipeline was stopped before.
func (p *Pipeline) Flush(ctx context.Context) error {
	for {
		changed := p.changed.next()
		if p.empty() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.stopped:
			if p.empty() {
				return nil
			}
			return ErrStopped
		}
	}
}

func (p *Pipeline) empty() bool {
	c := p.spool.Counts()
	return c.Queued+c.InProgress == 0 && p.ending.Load() == 0 // in this order: an outcome is stored, then reported
}

// broadcast wakes any number of goroutines that wait for a change.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{} // nil while no goroutine waits
}

// next returns a channel that is closed by the next notify.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) notify() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// QueueItem describes a report on its way. Each call of a callback gets its own copy.
type QueueItem struct {
	// ID is the ID of the report.
	ID string
	// Report is the submitted report. It is nil with a durable spool, which keeps only the parts.
	Report *report.Report
	// JobID, TenantID and Priority were set when the report was submitted.
	JobID    string
	TenantID string
	Priority int
	// ToolName is the name of the tool that made the report.
	ToolName string
	// SubmittedAt is the time of the submission.
	SubmittedAt time.Time
	// Attempts, LastError and PartKey belong to the part whose outcome has ended the report. PartKey tells revisions of a
	// report apart; it is empty if there is no such part.
	Attempts  int
	LastError string
	PartKey   string
}

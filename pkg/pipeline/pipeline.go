package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rediverio/sdk/pkg/report"
)

// Pipeline uploads reports in the background. Its methods may be called concurrently.
type Pipeline struct {
	cfg      PipelineConfig
	uploader Uploader
	spool    Spool
	memory   *memory // the spool, when it is the built-in one
	retries  int     // after the first attempt
	gate     gate
	tally    tally

	kick    chan struct{} // capacity 1: an idle worker should look for work
	stopped chan struct{} // closed when every worker has ended

	life      sync.RWMutex // held for reading while a report is accepted, so that none slips in behind Stop
	phase     phase
	drain     chan struct{} // closed: take no new work, finish what is in hand
	cut       context.CancelFunc
	workCtx   context.Context
	stopErr   error        // of the drain; set before stopped is closed
	ending    atomic.Int64 // parts whose outcome is being stored and told
	changedMu sync.Mutex
	changed   chan struct{} // closed whenever a part ends; nil while nobody waits for it
	unsent    unsent
}

type phase int

const (
	idle phase = iota
	running
	draining
)

// NewPipeline returns a pipeline that sends to uploader. A nil cfg means DefaultPipelineConfig; cfg is copied.
// Nothing is uploaded before Start, but reports are already accepted. An invalid cfg is reported by Start and Submit.
func NewPipeline(cfg *PipelineConfig, uploader Uploader) *Pipeline {
	if cfg == nil {
		cfg = &PipelineConfig{}
	}
	c := cfg.withDefaults()
	p := &Pipeline{
		cfg: c, uploader: uploader, spool: c.Spool, retries: max(c.RetryAttempts, 0),
		kick: make(chan struct{}, 1), stopped: make(chan struct{}), drain: make(chan struct{}),
	}
	p.workCtx, p.cut = context.WithCancel(context.Background())
	if p.spool == nil {
		p.memory = newMemory(c)
		p.spool = p.memory
	}
	if l, ok := p.spool.(retryLimiter); ok {
		p.retries = l.MaxRetries()
	}
	p.gate.maxPause = c.MaxRetryDelay
	return p
}

// Start starts the workers. Cancelling ctx takes no new reports, lets uploads go on for DrainTimeout, and leaves the
// rest in the spool; reports that are only in memory then end in OnFailed. Stop does the same and waits. Start fails
// on an invalid configuration, a second call, or after Stop.
func (p *Pipeline) Start(ctx context.Context) error {
	if err := p.cfg.Validate(); err != nil {
		return fmt.Errorf("pipeline config: %w", err)
	}
	if p.uploader == nil {
		return errors.New("pipeline: uploader is nil")
	}
	p.life.Lock()
	defer p.life.Unlock()
	switch p.phase {
	case running:
		return errors.New("pipeline is started already")
	case draining:
		return ErrStopped
	}
	p.phase = running
	var workers sync.WaitGroup
	for range p.cfg.Workers {
		workers.Go(p.work)
	}
	go p.supervise(ctx, &workers)
	return nil
}

// supervise ends the workers: after the drain, or after its timeout.
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
		timeout := time.NewTimer(p.cfg.DrainTimeout)
		defer timeout.Stop()
		select {
		case <-done:
		case <-timeout.C:
		case <-p.workCtx.Done():
		}
	case <-done: // Stop was called and all is drained
	case <-p.workCtx.Done():
	}
	p.cut()
	<-done
	p.stopErr = p.giveUp()
}

// giveUp ends what is left in memory; a durable spool keeps it.
func (p *Pipeline) giveUp() error {
	if p.memory == nil {
		return nil
	}
	for _, d := range p.memory.abandon() {
		p.failed(&d.item, d.prog, ErrStopped)
	}
	return p.unsent.err()
}

// unsent gathers the reports that only the stop ended.
type unsent struct {
	mu  sync.Mutex
	ids []string
}

func (u *unsent) add(id string) {
	u.mu.Lock()
	u.ids = append(u.ids, id)
	u.mu.Unlock()
}

func (u *unsent) err() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.ids) == 0 {
		return nil
	}
	return &UnsentError{ReportIDs: u.ids}
}

func (p *Pipeline) beginDrain() {
	p.life.Lock()
	defer p.life.Unlock()
	if p.phase != draining {
		p.phase = draining
		close(p.drain)
	}
}

// Stop takes no new reports, finishes the uploads under way — and, without a durable spool, everything queued, one
// attempt each — and returns when all workers have ended. When ctx ends first, uploads are cut; what a durable
// spool holds stays there for the next start, what is only in memory ends in OnFailed. Every
// report that the stop ended, there or because its last attempt failed, is named in the *UnsentError returned. Stop may be called twice, and before Start.
func (p *Pipeline) Stop(ctx context.Context) error {
	p.life.Lock()
	before := p.phase
	if p.phase != draining {
		p.phase = draining
		close(p.drain)
	}
	p.life.Unlock()
	if before == idle {
		p.cut()
		p.stopErr = p.giveUp()
		close(p.stopped)
	}
	select {
	case <-p.stopped:
		return p.stopErr
	case <-ctx.Done():
	}
	p.cut()
	// Uploads return when their context ends; one that does not must not keep Stop from its own bound.
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-p.stopped:
		return p.stopErr
	case <-grace.C:
		return fmt.Errorf("an upload ignores its cancelled context: %w", ctx.Err())
	}
}

// stopGrace is how long Stop waits for uploads whose context has ended.
const stopGrace = 5 * time.Second

// Stopped is closed when every worker has ended, be it by Stop or by the context of Start.
func (p *Pipeline) Stopped() <-chan struct{} { return p.stopped }

func (p *Pipeline) isDraining() bool {
	select {
	case <-p.drain:
		return true
	default:
		return false
	}
}

// QueueLength returns the reports that wait, none of their parts being uploaded now.
func (p *Pipeline) QueueLength() int { return int(p.spool.Counts().Queued) }

// Flush waits until every accepted report has ended, uploaded or given up, and its callback has returned. It fails
// with ctx's error, or with ErrStopped when the pipeline stopped before.
func (p *Pipeline) Flush(ctx context.Context) error {
	for {
		changed := p.nextChange()
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
	return c.Queued+c.InProgress == 0 && p.ending.Load() == 0 // in this order: an outcome is stored, then told
}

// nextChange returns a channel that is closed when a part was settled or a worker found nothing to do.
func (p *Pipeline) nextChange() <-chan struct{} {
	p.changedMu.Lock()
	defer p.changedMu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

func (p *Pipeline) notify() {
	p.changedMu.Lock()
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
	p.changedMu.Unlock()
}

// QueueItem describes a report on its way. Callbacks get a copy of their own.
type QueueItem struct {
	ID          string         // the report's ID
	Report      *report.Report // what was submitted; nil where the spool is durable, which keeps parts only
	JobID       string
	TenantID    string
	ToolName    string
	Priority    int
	SubmittedAt time.Time
	Attempts    int    // of the part whose outcome this call is about
	LastError   string // of the same
	PartKey     string // of the same; tells revisions of a report apart; empty where there is no such part
}

package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// SubmitOption says more about a submission.
type SubmitOption func(*part.Envelope)

// WithJobID names the job that the report comes from.
func WithJobID(id string) SubmitOption { return func(e *part.Envelope) { e.JobID = id } }

// WithTenantID names the tenant that owns the report.
func WithTenantID(id string) SubmitOption { return func(e *part.Envelope) { e.TenantID = id } }

// WithPriority makes a report go before those with a lower number; the default is 0.
func WithPriority(n int) SubmitOption { return func(e *part.Envelope) { e.Priority = n } }

// Submit hands a report over and returns its ID, which is made up when metadata.id is empty. It does not wait for
// the network. With a Spool, the report is on disk when Submit returns nil; without, it is in memory and costs the
// caller a copy of three slices. The slices may be reused afterwards, the findings and assets they point to may not
// be changed.
//
// It fails with ErrQueueFull (or the spool's word for it), ErrStopped, or the problems of the report; the report is
// then not accepted at all.
func (p *Pipeline) Submit(r *report.Report, opts ...SubmitOption) (id string, err error) {
	return p.SubmitContext(context.Background(), r, opts...)
}

// SubmitContext is Submit, given up when ctx ends before the report is on disk.
func (p *Pipeline) SubmitContext(ctx context.Context, r *report.Report, opts ...SubmitOption) (id string, err error) {
	if err := r.Validate(); err != nil {
		return "", err
	}
	env := envelope(opts)
	if id, err = p.put(ctx, r, env); err == nil {
		p.submitted(id, r, env)
	}
	return id, err
}

// put is a function of its own so that OnSubmitted, which may submit a report, runs without the lock.
func (p *Pipeline) put(ctx context.Context, r *report.Report, env part.Envelope) (id string, err error) {
	p.life.RLock()
	defer p.life.RUnlock()
	if err := p.accepting(); err != nil {
		return "", err
	}
	return p.spool.Put(ctx, r, env)
}

func envelope(opts []SubmitOption) (env part.Envelope) {
	for _, o := range opts {
		o(&env)
	}
	return env
}

func (p *Pipeline) accepting() error {
	if p.phase == draining {
		return ErrStopped
	}
	if p.phase == idle {
		if err := p.cfg.Validate(); err != nil {
			return fmt.Errorf("pipeline config: %w", err)
		}
	}
	return nil
}

func (p *Pipeline) submitted(id string, r *report.Report, env part.Envelope) {
	if p.cfg.OnSubmitted == nil {
		return
	}
	item := &QueueItem{ID: id, JobID: env.JobID, TenantID: env.TenantID, Priority: env.Priority, SubmittedAt: time.Now()}
	if r.Tool != nil {
		item.ToolName = r.Tool.Name
	}
	if p.memory != nil {
		item.Report = r
	}
	p.callback("OnSubmitted", func() { p.cfg.OnSubmitted(item) })
}

// streamer is a spool that takes a report item by item.
type streamer interface {
	NewWriter(ctx context.Context, head *report.Report, env part.Envelope) (part.Writer, error)
}

// NewWriter begins a report whose items come one by one, so that peak memory does not depend on its size; of head
// only what is not a list is used. Nothing is uploaded before Close returns nil, which is when the report is
// accepted. A Spool that cannot stream gives an error.
func (p *Pipeline) NewWriter(ctx context.Context, head *report.Report, opts ...SubmitOption) (part.Writer, error) {
	s, ok := p.spool.(streamer)
	if !ok {
		return nil, fmt.Errorf("spool %T takes whole reports only", p.spool)
	}
	env := envelope(opts)
	p.life.RLock()
	defer p.life.RUnlock()
	if err := p.accepting(); err != nil {
		return nil, err
	}
	w, err := s.NewWriter(ctx, head, env)
	if err != nil {
		return nil, err
	}
	return &writer{w, p, env}, nil
}

// writer accepts its report under the same rules as Submit.
type writer struct {
	part.Writer
	p   *Pipeline
	env part.Envelope
}

// Close completes the report. After Stop it aborts it and returns ErrStopped.
func (w *writer) Close() (part.Summary, error) {
	sum, err := w.close()
	if err == nil {
		w.p.submitted(w.Head().Metadata.ID, w.Head(), w.env)
	}
	return sum, err
}

func (w *writer) close() (part.Summary, error) {
	w.p.life.RLock()
	defer w.p.life.RUnlock()
	if err := w.p.accepting(); err != nil {
		if e := w.Abort(); e != nil {
			err = fmt.Errorf("%w; abort: %w", err, e)
		}
		return part.Summary{}, err
	}
	return w.Writer.Close()
}

package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// SubmitOption sets a property of a submission.
type SubmitOption func(*part.Envelope)

// WithJobID sets the ID of the job that the report comes from.
func WithJobID(id string) SubmitOption { return func(e *part.Envelope) { e.JobID = id } }

// WithTenantID sets the tenant that owns the report.
func WithTenantID(id string) SubmitOption { return func(e *part.Envelope) { e.TenantID = id } }

// WithPriority sets the priority of the uploads. Higher goes first. The default is 0.
func WithPriority(n int) SubmitOption { return func(e *part.Envelope) { e.Priority = n } }

// Submit accepts a report and returns its ID, which is generated if Metadata.ID is empty. It does not wait for the
// network. When it returns nil, the report is on disk if there is a durable Spool, and in memory otherwise. In memory, the
// slices of the report may be reused afterwards, but the findings and assets they point to must not be changed.
//
// Submit fails with ErrQueueFull or the corresponding error of the Spool, with ErrStopped, or with the problems of the
// configuration or the report. The report is then not accepted.
func (p *Pipeline) Submit(r *report.Report, opts ...SubmitOption) (id string, err error) {
	return p.SubmitContext(context.Background(), r, opts...)
}

// SubmitContext is like Submit, and fails if ctx ends before the report is on disk.
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
	p.lifecycle.RLock()
	defer p.lifecycle.RUnlock()
	if err := p.acceptingLocked(); err != nil {
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

func (p *Pipeline) acceptingLocked() error {
	if p.phase == draining {
		return ErrStopped
	}
	return p.cfgErr
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

// NewWriter begins a report whose items are added one by one, so that peak memory does not depend on its size. The lists
// in head are ignored. Nothing is uploaded before Close has returned nil, which is when the report is accepted. NewWriter
// fails if the Spool is not a Streamer.
func (p *Pipeline) NewWriter(ctx context.Context, head *report.Report, opts ...SubmitOption) (part.Writer, error) {
	s, ok := p.spool.(Streamer)
	if !ok {
		return nil, fmt.Errorf("spool %T does not implement pipeline.Streamer", p.spool)
	}
	env := envelope(opts)
	p.lifecycle.RLock()
	defer p.lifecycle.RUnlock()
	if err := p.acceptingLocked(); err != nil {
		return nil, err
	}
	w, err := s.NewWriter(ctx, head, env)
	if err != nil {
		return nil, err
	}
	return &writer{w, p, env}, nil
}

// writer accepts its report under the same conditions as Submit.
type writer struct {
	part.Writer
	p   *Pipeline
	env part.Envelope
}

// Close completes the report. After Stop it aborts the report and returns ErrStopped.
func (w *writer) Close() (part.Summary, error) {
	sum, err := w.close()
	if err == nil {
		w.p.submitted(w.Head().Metadata.ID, w.Head(), w.env)
	}
	return sum, err
}

func (w *writer) close() (part.Summary, error) {
	w.p.lifecycle.RLock()
	defer w.p.lifecycle.RUnlock()
	if err := w.p.acceptingLocked(); err != nil {
		if e := w.Abort(); e != nil {
			err = fmt.Errorf("%w; abort: %w", err, e)
		}
		return part.Summary{}, err
	}
	return w.Writer.Close()
}

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// memory is the built-in Spool: a queue in memory, bounded in reports and bytes. A report is split and encoded by the
// worker that leases it, not by the caller of Submit.
type memory struct {
	maxReports int
	maxBytes   int64
	split      part.SplitConfig
	ready      chan struct{}

	mu      sync.Mutex // guards everything below
	seq     int64
	reports map[*delivery]struct{}   // every report that has not ended
	turn    []*entry                 // due now, by turn
	later   []*entry                 // due later, by due time
	byPart  map[*part.Part]*entry    // leased
	ended   map[*part.Part]*delivery // until take is called
	counts  part.Counts
	open    int64         // bytes of reports that are being written
	leases  int           // so far
	delay   time.Duration // UploadDelay
	paced   time.Time     // nothing is leased before
}

// delivery is a report in the queue.
type delivery struct {
	item  QueueItem
	env   part.Envelope
	size  int64 // counted against maxBytes: the report, which OnFailed may need, and its parts
	err   error // why it could not be encoded
	cut   bool  // a part ended only because the pipeline stops
	inUse int   // parts leased, or 1 while it is encoded
	prog  part.Progress
}

func newMemory(c PipelineConfig) *memory {
	return &memory{
		maxReports: c.QueueSize, maxBytes: c.MaxQueueBytes, split: c.Split, delay: max(c.UploadDelay, 0), ready: make(chan struct{}, 1),
		reports: map[*delivery]struct{}{}, byPart: map[*part.Part]*entry{}, ended: map[*part.Part]*delivery{},
	}
}

func (m *memory) Ready() <-chan struct{} { return m.ready }

func (m *memory) wake() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// Put queues a copy of the report and of its slices, so that the caller may reuse them.
func (m *memory) Put(_ context.Context, r *report.Report, env part.Envelope) (string, error) {
	c := identified(r)
	c.Assets, c.Findings, c.Dependencies = slices.Clone(r.Assets), slices.Clone(r.Findings), slices.Clone(r.Dependencies)
	return c.Metadata.ID, m.accept(newDelivery(c, env), nil, sizeHint(c))
}

// identified returns a copy of r that has an ID and a timestamp.
func identified(r *report.Report) *report.Report {
	c := *r
	if c.Metadata.ID == "" {
		c.Metadata.ID = report.NewID("report")
	}
	config.Default(&c.Metadata.Timestamp, time.Now().UTC())
	return &c
}

func newDelivery(r *report.Report, env part.Envelope) *delivery {
	d := &delivery{env: env, item: QueueItem{
		ID: r.Metadata.ID, Report: r, JobID: env.JobID, TenantID: env.TenantID, Priority: env.Priority, SubmittedAt: time.Now(),
	}}
	if r.Tool != nil {
		d.item.ToolName = r.Tool.Name
	}
	d.prog.SubmittedAt = d.item.SubmittedAt
	return d
}

// accept queues a report of the given size: its parts, or the report itself if it is not encoded yet.
func (m *memory) accept(d *delivery, parts []*part.Part, size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.reports) + 1; n > m.maxReports {
		return &QueueFullError{"QueueSize", int64(n), int64(m.maxReports)}
	}
	if err := m.fitsLocked(size); err != nil {
		return err
	}
	m.reports[d] = struct{}{}
	m.counts.Submitted++
	if parts == nil {
		d.size = size
		m.counts.Bytes += size
		m.counts.Parts++
		m.pushLocked(&entry{d: d})
	}
	m.addPartsLocked(d, parts, 0)
	m.wake()
	return nil
}

// addPartsLocked queues the parts of a report with the given sequence number, or with new ones if seq is 0.
func (m *memory) addPartsLocked(d *delivery, parts []*part.Part, seq int64) {
	d.prog.Total = len(parts)
	m.counts.Parts += int64(len(parts))
	for _, p := range parts {
		p.TenantID, p.JobID, p.Priority, p.SubmittedAt = d.env.TenantID, d.env.JobID, d.env.Priority, d.item.SubmittedAt
		d.size += int64(len(p.Data))
		m.counts.Bytes += int64(len(p.Data))
		m.pushLocked(&entry{d: d, part: p, seq: seq})
	}
}

// fitsLocked returns an error if n more bytes do not fit beside the reports that wait and those that are being written.
func (m *memory) fitsLocked(n int64) error {
	if n += m.counts.Bytes + m.open; n > m.maxBytes {
		return &QueueFullError{"MaxQueueBytes", n, m.maxBytes}
	}
	return nil
}

// write reserves n bytes for a report that is being written. A negative n releases them.
func (m *memory) write(n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > 0 {
		if err := m.fitsLocked(n); err != nil {
			return err
		}
	}
	m.open += n
	return nil
}

// useLocked adds n to the leased parts of a report.
func (m *memory) useLocked(d *delivery, n int) {
	if d.inUse == 0 {
		m.counts.InProgress++
	}
	if d.inUse += n; d.inUse == 0 {
		m.counts.InProgress--
	}
}

// Next leases the next part. It encodes a report whose turn has come.
func (m *memory) Next(context.Context) (*part.Part, time.Time, error) {
	for {
		e, pt, due := m.next(time.Now())
		if e == nil || pt != nil {
			return pt, due, nil
		}
		parts, _, err := part.Split(e.d.item.Report, m.split)
		m.encoded(e, parts, err)
	}
}

// next takes the next entry. It returns the leased part, or nil if the entry has to be encoded, or the time at which
// there will be an entry.
func (m *memory) next(now time.Time) (e *entry, leased *part.Part, due time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dueLocked(now)
	switch {
	case now.Before(m.paced):
		return nil, nil, m.paced
	case len(m.turn) == 0 && len(m.later) > 0:
		return nil, nil, m.later[0].due
	case len(m.turn) == 0:
		return nil, nil, time.Time{}
	}
	e = m.takeLocked()
	m.useLocked(e.d, 1)
	if e.part != nil {
		pt := *e.part // a lease has an attempt count of its own
		pt.Attempt++
		if pt.Total > 1 {
			m.paced = now.Add(m.delay)
		}
		m.byPart[&pt] = e
		leased = &pt
	}
	return e, leased, time.Time{}
}

// encoded replaces the entry of a report by entries of its parts. A report that could not be encoded becomes one part that
// cannot be sent, so that it ends like any other.
func (m *memory) encoded(e *entry, parts []*part.Part, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		e.d.err = err
		parts = []*part.Part{{ReportID: e.d.item.ID, Total: 1, Final: true, Tool: e.d.item.ToolName}}
	}
	m.useLocked(e.d, -1)
	m.counts.Parts--
	m.addPartsLocked(e.d, parts, e.seq)
}

// encodeError returns why the report of a leased part could not be encoded, or nil.
func (m *memory) encodeError(p *part.Part) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.byPart[p]; e != nil && e.d.err != nil {
		return fmt.Errorf("encode report: %w", e.d.err)
	}
	return nil
}

var errNoLease = errors.New("part is not leased")

// Settle ends a lease.
func (m *memory) Settle(_ context.Context, p *part.Part, o part.Outcome) (part.Progress, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.byPart[p]
	if e == nil {
		return part.Progress{}, errNoLease
	}
	delete(m.byPart, p)
	d := e.d
	m.useLocked(d, -1)
	defer m.wake()
	switch o.Kind {
	case part.Retry, part.Released:
		if o.Kind == part.Retry && !o.Free {
			e.part = p // with its attempt counted
		}
		e.due = o.Due
		insert(&m.later, e, byDue)
		return d.prog, nil
	case part.Uploaded:
		d.prog.Done++
		if o.Result != nil {
			d.prog.Result.Add(o.Result)
		}
	case part.Dead:
		d.prog.Dead++
		d.cut = d.cut || errors.Is(o.Err, ErrStopped)
	}
	m.partEndedLocked(d, p)
	return d.prog, nil
}

func (m *memory) partEndedLocked(d *delivery, p *part.Part) {
	m.counts.Parts--
	m.counts.Bytes -= int64(len(p.Data))
	d.size -= int64(len(p.Data))
	if d.prog.Done+d.prog.Dead < d.prog.Total {
		return
	}
	m.counts.Bytes -= d.size
	d.prog.Finished = true
	if d.prog.Dead > 0 {
		m.counts.Failed++
	} else {
		m.counts.Completed++
	}
	delete(m.reports, d)
	m.ended[p] = d
}

// take returns the report that has ended with this part, and whether a part of it ended only because of the stop.
func (m *memory) take(p *part.Part) (r *report.Report, cut bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.ended[p]
	delete(m.ended, p)
	if d == nil {
		return nil, false
	}
	return d.item.Report, d.cut
}

// abandon ends every report that is left as failed, and returns them.
func (m *memory) abandon() (left []*delivery) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for d := range m.reports {
		d.prog.Dead = d.prog.Total - d.prog.Done
		left = append(left, d)
	}
	m.counts.Failed += int64(len(left))
	m.counts.Parts, m.counts.Bytes = 0, 0
	m.reports, m.turn, m.later = map[*delivery]struct{}{}, nil, nil
	return left
}

// Counts returns the state of the queue at one moment.
func (m *memory) Counts() part.Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts
	c.Queued = int64(len(m.reports)) - c.InProgress
	return c
}

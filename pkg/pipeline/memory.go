package pipeline

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// memory is the built-in Spool: a queue in memory, bounded in reports and bytes. A report is split and encoded by the
// worker that leases it, not by the caller of Submit.
type memory struct {
	maxReports int
	maxBytes   int64
	split      part.SplitConfig
	delay      time.Duration // UploadDelay
	ready      chan struct{}

	mu      sync.Mutex // guards everything below
	seq     int64
	reports map[*delivery]struct{}   // every report that has not ended
	turn    turnHeap                 // due now
	later   dueHeap                  // due later
	paced   time.Time                // nothing is leased before
	waiting map[int]int              // entries in turn by their priority
	byPart  map[*part.Part]*entry    // leased
	ended   map[*part.Part]*delivery // until take asks for it
	counts  part.Counts
	open    int64 // bytes of reports that are being written
	leases  int   // so far
}

// delivery is a report in the queue.
type delivery struct {
	item  QueueItem
	env   part.Envelope
	size  int64 // counted against maxBytes: the report, which OnFailed may need, and its parts
	err   error // of its encoding
	cut   bool  // a part ended only because the pipeline stops
	parts int   // 0 before it is encoded
	left  int   // parts not settled
	inUse int   // parts leased, or 1 while it is encoded
	prog  part.Progress
}

// entry is a part, or a report to be encoded if part is nil.
type entry struct {
	d    *delivery
	part *part.Part
	seq  int64
	due  time.Time
}

func newMemory(c PipelineConfig) *memory {
	return &memory{
		maxReports: c.QueueSize, maxBytes: c.MaxQueueBytes, split: c.Split, delay: max(c.UploadDelay, 0), ready: make(chan struct{}, 1),
		reports: map[*delivery]struct{}{}, waiting: map[int]int{}, byPart: map[*part.Part]*entry{}, ended: map[*part.Part]*delivery{},
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
	snapshot := *r
	snapshot.Assets = append([]*report.Asset(nil), r.Assets...)
	snapshot.Findings = append([]*report.Finding(nil), r.Findings...)
	snapshot.Dependencies = append([]*report.Dependency(nil), r.Dependencies...)
	if snapshot.Metadata.ID == "" {
		snapshot.Metadata.ID = report.NewID("report")
	}
	if snapshot.Metadata.Timestamp.IsZero() {
		snapshot.Metadata.Timestamp = time.Now().UTC()
	}
	d := newDelivery(&snapshot, env)
	d.size = sizeHint(&snapshot)
	return snapshot.Metadata.ID, m.accept(d, &entry{d: d})
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

// accept queues the entries of a new delivery, or none of them.
func (m *memory) accept(d *delivery, entries ...*entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.reports) + 1; n > m.maxReports {
		return &QueueFullError{"QueueSize", int64(n), int64(m.maxReports)}
	}
	if err := m.fitsLocked(d.size); err != nil {
		return err
	}
	m.reports[d] = struct{}{}
	m.counts.Submitted++
	m.counts.Bytes += d.size
	m.counts.Parts += int64(max(d.parts, 1))
	for _, e := range entries {
		m.pushLocked(e)
	}
	m.wake()
	return nil
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
	before := d.inUse > 0
	d.inUse += n
	if now := d.inUse > 0; now && !before {
		m.counts.InProgress++
	} else if before && !now {
		m.counts.InProgress--
	}
}

// Next leases the next part. It encodes a report whose turn has come.
func (m *memory) Next(context.Context) (*part.Part, time.Time, error) {
	for {
		m.mu.Lock()
		now := time.Now()
		for len(m.later) > 0 && !m.later[0].due.After(now) {
			m.dueLocked()
		}
		if paced := now.Before(m.paced); paced || len(m.turn) == 0 {
			var due time.Time
			if paced {
				due = m.paced
			} else if len(m.later) > 0 {
				due = m.later[0].due
			}
			m.mu.Unlock()
			return nil, due, nil
		}
		e := m.turnLocked()
		m.useLocked(e.d, 1)
		if e.part != nil {
			pt := *e.part // a lease has an attempt count of its own
			pt.Attempt++
			if pt.Total > 1 {
				m.paced = now.Add(m.delay)
			}
			m.byPart[&pt] = e
			m.mu.Unlock()
			return &pt, time.Time{}, nil
		}
		m.mu.Unlock()
		parts, _, err := part.Split(e.d.item.Report, m.split)
		m.encoded(e, parts, err)
	}
}

// encoded replaces the entry of a report by those of its parts. A report that could not be encoded becomes one part that
// cannot be sent, so that it ends like any other.
func (m *memory) encoded(e *entry, parts []*part.Part, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := e.d
	m.useLocked(d, -1)
	if err != nil {
		d.err = err
		parts = []*part.Part{{ReportID: d.item.ID, Total: 1, Final: true, Tool: d.item.ToolName}}
	}
	m.counts.Parts += int64(len(parts)) - 1
	d.parts, d.left, d.prog.Total = len(parts), len(parts), len(parts)
	for _, p := range parts {
		m.addPartLocked(d, p, e.seq)
	}
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

func (m *memory) addPartLocked(d *delivery, p *part.Part, seq int64) {
	p.TenantID, p.JobID, p.Priority, p.SubmittedAt = d.env.TenantID, d.env.JobID, d.env.Priority, d.item.SubmittedAt
	d.size += int64(len(p.Data))
	m.counts.Bytes += int64(len(p.Data))
	m.pushLocked(&entry{d: d, part: p, seq: seq})
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
	switch o.Kind {
	case part.Retry, part.Released:
		if o.Kind == part.Retry && !o.Free {
			e.part = p // with its attempt counted
		}
		e.due = o.Due
		heap.Push(&m.later, e)
	case part.Uploaded:
		d.prog.Done++
		if o.Result != nil {
			d.prog.Result.Add(o.Result)
		}
		m.partEndedLocked(d, p)
	case part.Dead:
		d.prog.Dead++
		d.cut = d.cut || errors.Is(o.Err, ErrStopped)
		m.partEndedLocked(d, p)
	}
	m.wake()
	return d.prog, nil
}

func (m *memory) partEndedLocked(d *delivery, p *part.Part) {
	d.left--
	m.counts.Parts--
	m.counts.Bytes -= int64(len(p.Data))
	d.size -= int64(len(p.Data))
	if d.left > 0 {
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
	m.reports, m.waiting, m.turn, m.later = map[*delivery]struct{}{}, map[int]int{}, nil, nil
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

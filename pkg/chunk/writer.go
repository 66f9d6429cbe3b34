package chunk

import (
	"context"
	"errors"
	"time"

	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// SubmitReport stores a report, split if necessary, and returns its ID; when it returns nil the report is on disk. The
// report is not changed. The same report submitted again under the same ID is not stored twice; other content under the same
// ID is a new revision. SubmitReport fails with ErrStorageFull, a *report.TooLargeError, or the errors of report.Validate.
func (m *Manager) SubmitReport(ctx context.Context, r *report.Report) (id string, err error) {
	return m.Put(ctx, r, part.Envelope{})
}

// Put is SubmitReport with an envelope: tenant, job and priority.
func (m *Manager) Put(ctx context.Context, r *report.Report, env part.Envelope) (id string, err error) {
	if err := r.Validate(); err != nil {
		return "", err
	}
	w, err := m.newWriter(ctx, r, env)
	if err != nil {
		return "", err
	}
	if err := w.split.AddAll(r); err != nil {
		return "", errors.Join(err, w.Abort())
	}
	if _, err := w.Close(); err != nil {
		return "", err
	}
	return w.Head().Metadata.ID, nil
}

// NewWriter begins a report whose assets and findings are added one by one; of r it uses all but those. No part of the
// report is uploaded before Close of the writer returns nil. A report without an ID is given one, and one without a timestamp
// the current time. ctx applies to the whole report.
func (m *Manager) NewWriter(ctx context.Context, r *report.Report, env part.Envelope) (part.Writer, error) {
	return m.newWriter(ctx, r, env)
}

func (m *Manager) newWriter(ctx context.Context, r *report.Report, env part.Envelope) (w *writer, err error) {
	if m.db.Closed() {
		return nil, ErrClosed
	}
	head := *r
	if head.Metadata.ID == "" {
		head.Metadata.ID = report.NewID("report")
	}
	if head.Metadata.Timestamp.IsZero() {
		if head.Metadata.Timestamp, err = m.timestamp(ctx, env.TenantID, head.Metadata.ID); err != nil {
			return nil, err
		}
	}
	w = &writer{m: m, ctx: ctx, env: env, stamp: head.Metadata.Timestamp}
	w.split, err = part.NewSplitter(&head, m.cfg.split(), w.take)
	return w, err
}

// timestamp returns the timestamp of a report that has none. The same report submitted again must give the same bytes, so it
// is the timestamp of the revision before.
func (m *Manager) timestamp(ctx context.Context, tenant, reportID string) (time.Time, error) {
	var ns int64
	err := m.db.Row(ctx, "SELECT stamp FROM reports WHERE tenant = ? AND id = ? AND state != 0 ORDER BY rev DESC LIMIT 1", []any{tenant, reportID}, &ns)
	if isNoRows(err) {
		return time.Now().UTC(), nil
	}
	return time.Unix(0, ns).UTC(), err
}

// writer gathers parts and stores them in batches. The last batch and the seal are one transaction.
type writer struct {
	m     *Manager
	ctx   context.Context // given to NewWriter
	env   part.Envelope
	split *part.Splitter
	stamp time.Time

	batch []*part.Part // parts that are not stored
	bytes int          // their data
	total int64        // data of the stored parts
	rid   int64        // row of the open report; 0 before the first batch is stored
	ended bool
}

// batchBytes is how much data a writer gathers before it stores parts of an unfinished report. Most reports are smaller, and
// so stored in one transaction.
const batchBytes = 2 << 20

func (w *writer) Head() *report.Report                     { return w.split.Head() }
func (w *writer) AddAsset(a *report.Asset) error           { return w.split.AddAsset(a) }
func (w *writer) AddFinding(f *report.Finding) error       { return w.split.AddFinding(f) }
func (w *writer) AddDependency(d *report.Dependency) error { return w.split.AddDependency(d) }

// take receives every part from the splitter.
func (w *writer) take(p *part.Part) error {
	w.batch = append(w.batch, p)
	w.bytes += len(p.Data)
	if p.Final || w.bytes < batchBytes {
		return nil
	}
	rid := w.rid
	err := w.commit(func(t *tx) (err error) {
		rid, err = w.store(t)
		return err
	})
	if err != nil {
		return err
	}
	w.rid, w.total, w.batch, w.bytes = rid, w.total+int64(w.bytes), w.batch[:0], 0
	return nil
}

// store writes the batch as parts of an open report, which it begins if there is none.
func (w *writer) store(t *tx) (rid int64, err error) {
	if err := w.admit(t); err != nil {
		return 0, err
	}
	if rid = w.rid; rid == 0 {
		rid = w.m.newRID()
		_, err = t.Exec(`INSERT INTO reports (rid, tenant, id, rev, job, tool, priority, state, stamp, created)
			SELECT ?9, ?1, ?2, coalesce(max(rev), 0) + 1, ?3, ?4, ?5, ?6, ?7, ?8 FROM reports WHERE tenant = ?1 AND id = ?2`,
			w.env.TenantID, w.Head().Metadata.ID, w.env.JobID, toolName(w.Head()), w.env.Priority, schema.ReportOpen,
			w.stamp.UnixNano(), time.Now().UnixMilli(), rid)
		if err != nil {
			return 0, err
		}
	}
	_, err = w.storeParts(t, rid, schema.PartHeld, 0)
	return rid, err
}

// admit returns an error if the batch would exceed the limit of the store or the quota of the tenant.
func (w *writer) admit(t *tx) error {
	if err := w.m.reserveSpace(t, int64(w.bytes)); err != nil {
		return err
	}
	return w.m.checkQuota(t, w.env.TenantID, 1, w.total+int64(w.bytes))
}

// storeParts writes the parts of the batch and returns the row number of the first.
func (w *writer) storeParts(t *tx, rid int64, state int, turn int64) (first int64, err error) {
	for i, p := range w.batch {
		pid := w.m.newPID()
		if i == 0 {
			first = pid
		}
		data, keyID := w.m.keys.seal(p.Data, w.env.TenantID, p.ReportID, p.Index)
		_, err := t.Exec(`INSERT INTO parts (pid, rid, idx, state, priority, turn, encoding, raw, size, sha, keyid, findings, assets, deps, oversize)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			pid, rid, p.Index, state, w.env.Priority, turn+int64(i), p.Encoding, p.RawSize, len(p.Data), p.SHA256[:], keyID, p.Findings, p.Assets, p.Dependencies, p.Oversize)
		if err != nil {
			return 0, err
		}
		if _, err := t.Exec("INSERT INTO blobs (pid, data) VALUES (?, ?)", pid, data); err != nil {
			return 0, err
		}
	}
	return first, nil
}

// newRID and newPID return row numbers that were not used before in this process: a part may be settled after its report was
// removed.
func (m *Manager) newRID() int64 { m.lastRID++; return m.lastRID }
func (m *Manager) newPID() int64 { m.lastPID++; return m.lastPID }

// Abort removes what was stored of the report.
func (w *writer) Abort() error {
	if w.ended {
		return nil
	}
	w.ended = true
	w.split.Abort()
	if w.rid == 0 {
		return nil
	}
	return w.m.change(context.WithoutCancel(w.ctx), 0, func(t *tx) error {
		_, err := t.Exec("DELETE FROM reports WHERE rid = ?", w.rid)
		return err
	})
}

func toolName(r *report.Report) string {
	if r.Tool == nil {
		return ""
	}
	return r.Tool.Name
}

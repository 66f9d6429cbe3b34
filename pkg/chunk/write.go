package chunk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// SubmitReport stores a report, split where it must be, and returns its ID; when it returns nil the report is
// on disk. The report is not changed. The same report again, under the same ID, is not stored twice; other
// content under the same ID is a new revision. It fails with ErrStorageFull, a *report.TooLargeError, or the
// problems Validate finds.
func (m *Manager) SubmitReport(ctx context.Context, r *report.Report) (id string, err error) {
	return m.Put(ctx, r, part.Envelope{})
}

// Put is SubmitReport with an envelope: the tenant, the job and the priority.
func (m *Manager) Put(ctx context.Context, r *report.Report, env part.Envelope) (id string, err error) {
	if err := r.Validate(); err != nil {
		return "", err
	}
	w, err := m.NewWriter(ctx, r, env)
	if err != nil {
		return "", err
	}
	if err := w.(*writer).split.AddAll(r); err != nil {
		return "", errors.Join(err, w.Abort())
	}
	if _, err := w.Close(); err != nil {
		return "", err
	}
	return w.Head().Metadata.ID, nil
}

// NewWriter begins a report whose items come one by one; only the head of r is used. Nothing of it is
// uploaded before Close returns nil. An empty ID is assigned, a zero timestamp becomes now.
func (m *Manager) NewWriter(ctx context.Context, r *report.Report, env part.Envelope) (part.Writer, error) {
	if m.db.Closed() {
		return nil, ErrClosed
	}
	head := *r
	if head.Metadata.ID == "" {
		head.Metadata.ID = report.NewID("report")
	}
	if err := m.stamp(ctx, &head, env.TenantID); err != nil {
		return nil, err
	}
	w := &writer{m: m, ctx: ctx, env: env, stamp: head.Metadata.Timestamp}
	var err error
	w.split, err = part.NewSplitter(&head, m.cfg.split(), w.take)
	return w, err
}

// stamp fills a zero timestamp. The same report submitted again must give the same bytes, so it gets the
// timestamp of the revision before.
func (m *Manager) stamp(ctx context.Context, head *report.Report, tenant string) error {
	if !head.Metadata.Timestamp.IsZero() {
		return nil
	}
	var ns int64
	err := m.db.Row(ctx, "SELECT stamp FROM reports WHERE tenant = ? AND id = ? AND state != 0 ORDER BY rev DESC LIMIT 1",
		[]any{tenant, head.Metadata.ID}, &ns)
	switch {
	case isNoRows(err):
		head.Metadata.Timestamp = time.Now().UTC()
	case err != nil:
		return err
	default:
		head.Metadata.Timestamp = time.Unix(0, ns).UTC()
	}
	return nil
}

// writer gathers parts and stores them in batches; the last batch and the seal are one transaction.
type writer struct {
	m     *Manager
	ctx   context.Context // of NewWriter: bounds the whole report
	env   part.Envelope
	split *part.Splitter
	stamp time.Time

	batch []*part.Part // made, not stored
	bytes int          // their data
	total int64        // data of the parts stored before
	rid   int64        // of the open report; 0 before the first batch
	ended bool
}

// batchBytes is how much a writer gathers before it stores parts of a report that goes on: most reports are
// smaller, and so one transaction.
const batchBytes = 2 << 20

func (w *writer) Head() *report.Report                     { return w.split.Head() }
func (w *writer) AddAsset(a *report.Asset) error           { return w.split.AddAsset(a) }
func (w *writer) AddFinding(f *report.Finding) error       { return w.split.AddFinding(f) }
func (w *writer) AddDependency(d *report.Dependency) error { return w.split.AddDependency(d) }

// take gets every part from the splitter.
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

// store writes the batch as parts of an open report, which it begins when there is none.
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

// admit refuses the batch where it would break the store's limit or the tenant's quota.
func (w *writer) admit(t *tx) error {
	if err := w.m.makeRoom(t, int64(w.bytes)); err != nil {
		return err
	}
	return w.m.checkQuota(t, w.env.TenantID, 1, w.total+int64(w.bytes))
}

// storeParts writes the parts of the batch and returns the number of the first.
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

// newRID and newPID give the numbers of rows, each once in a process: an outcome may come after its report is gone.
func (m *Manager) newRID() int64 { m.lastRID++; return m.lastRID }
func (m *Manager) newPID() int64 { m.lastPID++; return m.lastPID }

// Close completes the report and puts it on disk.
func (w *writer) Close() (part.Summary, error) {
	if w.ended {
		return part.Summary{}, errors.New("report writer is closed")
	}
	sum, err := w.split.Close()
	if err != nil {
		return sum, errors.Join(err, w.Abort())
	}
	if err := w.commit(func(t *tx) error { return w.seal(t, &sum) }); err != nil {
		return sum, errors.Join(err, w.Abort())
	}
	w.ended = true
	w.m.wake()
	return sum, nil
}

// seal stores the last batch and makes the report due, unless its content is stored already.
func (w *writer) seal(t *tx, sum *part.Summary) error {
	if w.rid == 0 {
		done, err := w.storeNew(t, sum)
		if done || err != nil {
			return err
		}
	}
	id := w.Head().Metadata.ID
	var rid int64
	var state int
	var content []byte
	var dest string
	err := t.Row("SELECT rid, state, content, dest FROM reports WHERE tenant = ? AND id = ? AND state != 0 ORDER BY rev DESC LIMIT 1",
		[]any{w.env.TenantID, id}, &rid, &state, &content, &dest)
	if err != nil && !isNoRows(err) {
		return err
	}
	elsewhere := state == schema.ReportCompleted && dest != w.m.cfg.Destination // uploaded, but to another receiver
	if err == nil && bytes.Equal(content, sum.Content[:]) && !elsewhere {
		known, err := w.repeated(t, rid, state)
		if known || err != nil {
			sum.Uploaded = state == schema.ReportCompleted
			return err
		}
	}
	if rid, err = w.store(t); err != nil {
		return err
	}
	if _, err := t.Exec(`UPDATE reports SET state = ?, content = ?, tool = ?, parts = ?, findings = ?, assets = ?, raw = ?, stored = ? WHERE rid = ?`,
		schema.ReportPending, sum.Content[:], toolName(w.Head()), sum.Parts, sum.Findings, sum.Assets, sum.RawBytes, sum.DataBytes, rid); err != nil {
		return err
	}
	turn := w.m.takeTurns(w.env.TenantID, w.env.Priority, sum.Parts)
	if _, err := t.Exec("UPDATE parts SET state = ?, turn = ? + idx WHERE rid = ?", schema.PartWaiting, turn, rid); err != nil {
		return err
	}
	t.AfterCommit(func() { w.sealed(sum, nil) })
	return nil
}

// storeNew is the short way for a report that is in memory as a whole and whose ID is new: each row is written once,
// as it is to be.
func (w *writer) storeNew(t *tx, sum *part.Summary) (done bool, err error) {
	rid := w.m.newRID()
	n, err := t.Exec(`INSERT INTO reports (rid, tenant, id, rev, job, tool, priority, state, content, parts, findings, assets, raw, stored, stamp, created)
		SELECT ?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15 WHERE NOT EXISTS (SELECT 1 FROM reports WHERE tenant = ?2 AND id = ?3)`,
		rid, w.env.TenantID, w.Head().Metadata.ID, w.env.JobID, toolName(w.Head()), w.env.Priority, schema.ReportPending, sum.Content[:],
		sum.Parts, sum.Findings, sum.Assets, sum.RawBytes, sum.DataBytes, w.stamp.UnixNano(), time.Now().UnixMilli())
	if n == 0 || err != nil {
		return false, err
	}
	if err := w.admit(t); err != nil {
		return false, err
	}
	turn := w.m.takeTurns(w.env.TenantID, w.env.Priority, sum.Parts)
	pid, err := w.storeParts(t, rid, schema.PartWaiting, turn)
	if err != nil {
		return false, err
	}
	due := make([]candidate, min(sum.Parts, windowSize))
	for i := range due {
		due[i] = candidate{pid + int64(i), rid, w.env.Priority, turn + int64(i), sum.Parts > 1}
	}
	t.AfterCommit(func() { w.sealed(sum, due) })
	return true, nil
}

// sealed notes that the report is on disk. due are its first parts, nil where they are not known.
func (w *writer) sealed(sum *part.Summary, due []candidate) {
	m := w.m
	m.mu.Lock()
	m.counts.Submitted++
	m.counts.Parts += int64(sum.Parts)
	m.counts.Bytes += sum.DataBytes
	m.bookLocked(w.env.TenantID, 1, sum.DataBytes)
	if len(due) < sum.Parts {
		m.window.stale = true
	}
	for _, c := range due {
		m.window.add(c)
	}
	m.mu.Unlock()
	if m.silent {
		return
	}
	m.cfg.Sink.Record(event.Event{
		Type: event.ChunkCreated, TenantID: w.env.TenantID, JobID: w.env.JobID, ReportID: w.Head().Metadata.ID, Message: "report stored",
		Details: map[string]any{"parts": sum.Parts, "findings": sum.Findings, "assets": sum.Assets, "oversize_parts": sum.Oversize,
			"bytes_raw": sum.RawBytes, "bytes_stored": sum.DataBytes},
	})
}

// repeated handles a report whose content is stored already as report rid: what this writer stored goes, and
// dead letters of the earlier one are tried again, since somebody still wants it delivered. Where data of the earlier
// report was deleted before it was uploaded, that report goes instead, and known is false.
func (w *writer) repeated(t *tx, rid int64, state int) (known bool, err error) {
	if state != schema.ReportCompleted {
		var lost bool
		if err := t.Row(`SELECT parts - done != (SELECT count(*) FROM parts p JOIN blobs b ON b.pid = p.pid WHERE p.rid = r.rid AND p.state IN (1, 3))
			FROM reports r WHERE rid = ?`, []any{rid}, &lost); err != nil {
			return false, err
		}
		if lost {
			return false, w.m.remove(t, rid, state, byRepeat)
		}
		if _, err := w.m.requeue(t, rid); err != nil {
			return false, err
		}
	}
	if w.rid != 0 {
		if _, err := t.Exec("DELETE FROM reports WHERE rid = ?", w.rid); err != nil {
			return false, err
		}
	}
	t.AfterCommit(func() {
		w.m.mu.Lock()
		w.m.duplicates++
		w.m.mu.Unlock()
	})
	return true, nil
}

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

// decodeResult reads the sums stored with a report; a text that is no JSON counts as no sums.
func decodeResult(text string) (res part.Result) {
	_ = json.Unmarshal([]byte(text), &res) // the column is written by this package alone
	return res
}

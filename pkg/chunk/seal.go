package chunk

import (
	"bytes"
	"errors"
	"time"

	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

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

// seal stores the last batch and makes the report due, unless its content is already stored.
func (w *writer) seal(t *tx, sum *part.Summary) error {
	if w.rid == 0 {
		done, err := w.storeNew(t, sum)
		if done || err != nil {
			return err
		}
	}
	var rid int64
	var state int
	var content []byte
	var dest string
	err := t.Row("SELECT rid, state, content, dest FROM reports WHERE tenant = ? AND id = ? AND state != 0 ORDER BY rev DESC LIMIT 1",
		[]any{w.env.TenantID, w.Head().Metadata.ID}, &rid, &state, &content, &dest)
	if err != nil && !isNoRows(err) {
		return err
	}
	elsewhere := state == schema.ReportCompleted && dest != w.m.cfg.Destination // uploaded to another receiver
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

// storeNew stores a report with a new ID of which no part is stored yet. It writes each row once, in its final state. done is
// false if the ID is not new.
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

// sealed counts a report that is on disk. due are its first parts, or nil if they are not known.
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
	m.events.Record(event.Event{
		Type: event.ChunkCreated, TenantID: w.env.TenantID, JobID: w.env.JobID, ReportID: w.Head().Metadata.ID, Message: "report stored",
		Details: map[string]any{"parts": sum.Parts, "findings": sum.Findings, "assets": sum.Assets, "oversize_parts": sum.Oversize,
			"bytes_raw": sum.RawBytes, "bytes_stored": sum.DataBytes},
	})
}

// repeated handles a report whose content is already stored as report rid: it removes what this writer stored, and makes dead
// letters of the earlier report due again, since its delivery was requested again. If data of the earlier report was deleted
// before its upload, it removes that report instead and returns known = false.
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

package chunk

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// Settle ends the lease of p, which must be the part that Next returned; see pipeline.Spool. It ignores cancellation of its
// context. It returns ErrNotFound for a part that is settled already or was removed meanwhile.
func (m *Manager) Settle(_ context.Context, p *part.Part, o part.Outcome) (part.Progress, error) {
	m.mu.Lock()
	pid, ok := m.byPart[p]
	l := m.leases[pid]
	delete(m.byPart, p) // so that it is settled once
	m.mu.Unlock()
	if !ok {
		return part.Progress{}, fmt.Errorf("settle part %s: no lease: %w", p.Key, ErrNotFound)
	}
	var prog part.Progress
	var err error
	if o.Kind == part.Released {
		m.endLease(pid, l)
	} else {
		err = m.change(context.Background(), 0, func(t *tx) error {
			s := settlement{m: m, t: t, lease: l, outcome: o}
			if err := s.apply(); err != nil {
				return err
			}
			t.AfterCommit(func() { prog = s.progress; s.committed() })
			return nil
		})
		if err != nil { // the part is unchanged in the store and due again
			m.endLease(pid, l)
		}
	}
	m.wake()
	return prog, err
}

// endLease makes a part available again.
func (m *Manager) endLease(pid int64, l lease) {
	m.mu.Lock()
	m.endLeaseLocked(pid, l)
	m.window.add(l.candidate)
	m.mu.Unlock()
}

// endLeaseLocked does nothing if the lease has ended already because the report was removed.
func (m *Manager) endLeaseLocked(pid int64, l lease) {
	if m.leases[pid] != l {
		return
	}
	delete(m.leases, pid)
	delete(m.byPart, l.part)
	if m.reportUses[l.rid]--; m.reportUses[l.rid] <= 0 {
		delete(m.reportUses, l.rid)
	}
}

// settlement stores one outcome.
type settlement struct {
	m *Manager
	t *tx
	lease
	outcome part.Outcome

	progress part.Progress
	freed    int64 // bytes of data deleted
}

func (s *settlement) apply() error {
	switch s.outcome.Kind {
	case part.Retry:
		return s.retry()
	case part.Uploaded:
		return s.finish(schema.PartUploaded)
	case part.Dead:
		return s.finish(schema.PartDead)
	}
	return fmt.Errorf("settle part %s: unknown outcome %d", s.part.Key, s.outcome.Kind)
}

// retry makes the part due again at the time of the outcome.
func (s *settlement) retry() error {
	attempt := 1
	if s.outcome.Free {
		attempt = 0
	}
	return s.update("UPDATE parts SET due = ?, attempts = attempts + ?, error = ? WHERE pid = ? AND rid = ? AND state = ?",
		s.outcome.Due.UnixMilli(), attempt, errText(s.outcome.Err), s.pid, s.rid, schema.PartWaiting)
}

// finish stores the final state of the part, and of its report if this was the last part.
func (s *settlement) finish(state int) error {
	if err := s.advance(state == schema.PartUploaded); err != nil {
		return err
	}
	prog, cfg := &s.progress, s.m.cfg
	newState, finished := schema.ReportPending, int64(0)
	if prog.Finished {
		newState, finished = schema.ReportCompleted, time.Now().UnixMilli()
		if prog.Dead > 0 {
			newState = schema.ReportFailed
		}
	}
	sums, err := json.Marshal(prog.Result)
	if err != nil {
		return err
	}
	err = s.update("UPDATE reports SET done = ?, dead = ?, result = ?, state = ?, finished = ?, dest = ? WHERE rid = ? AND state = ?",
		prog.Done, prog.Dead, string(sums), newState, finished, cfg.Destination, s.rid, schema.ReportPending)
	if err != nil {
		return err
	}
	if newState == schema.ReportCompleted && cfg.CleanupOnReportComplete {
		if s.freed, err = s.stored(); err != nil {
			return err
		}
		_, err := s.t.Exec("DELETE FROM parts WHERE rid = ?", s.rid)
		return err
	}
	err = s.update("UPDATE parts SET state = ?, attempts = attempts + 1, error = ? WHERE pid = ? AND state = ?",
		state, errText(s.outcome.Err), s.pid, schema.PartWaiting)
	if err == nil && state == schema.PartUploaded && cfg.AutoCleanupOnUpload {
		s.freed = s.size
		_, err = s.t.Exec("DELETE FROM blobs WHERE pid = ?", s.pid)
	}
	return err
}

// stored returns the bytes of data that the report has. For a report of one part no query is needed.
func (s *settlement) stored() (bytes int64, err error) {
	if s.part.Total == 1 {
		return s.size, nil
	}
	err = s.t.Row("SELECT "+dataBytes+" FROM parts p LEFT JOIN blobs b ON b.pid = p.pid WHERE p.rid = ?", []any{s.rid}, &bytes)
	return bytes, err
}

// advance computes the progress of the report with this outcome. For a report of one part no query is needed.
func (s *settlement) advance(uploaded bool) error {
	prog := &s.progress
	if prog.Total, prog.SubmittedAt = s.part.Total, s.part.SubmittedAt; prog.Total > 1 {
		var sums string
		err := s.t.Row("SELECT done, dead, result FROM reports WHERE rid = ?", []any{s.rid}, &prog.Done, &prog.Dead, &sums)
		if isNoRows(err) {
			return s.notFound()
		}
		if err != nil {
			return err
		}
		prog.Result = decodeResult(sums)
	}
	if !uploaded {
		prog.Dead++
	} else if prog.Done++; s.outcome.Result != nil {
		prog.Result.Add(s.outcome.Result)
	}
	prog.Finished = prog.Done+prog.Dead == prog.Total
	return nil
}

// update runs a statement and returns ErrNotFound if it changed no row.
func (s *settlement) update(query string, args ...any) error {
	n, err := s.t.Exec(query, args...)
	if err == nil && n == 0 {
		err = s.notFound()
	}
	return err
}

func (s *settlement) notFound() error {
	return fmt.Errorf("settle part %s: %w", s.part.Key, ErrNotFound)
}

// committed updates the counts and records the event.
func (s *settlement) committed() {
	m, o, p := s.m, s.outcome, s.part
	m.mu.Lock()
	m.endLeaseLocked(s.pid, s.lease)
	if o.Kind == part.Retry {
		m.window.putBack(o.Due)
		m.mu.Unlock()
		return
	}
	m.counts.Parts--
	m.counts.Bytes -= s.size
	reports, bytes := int64(0), int64(0)
	if o.Kind == part.Uploaded {
		bytes = s.size
	}
	if s.progress.Finished {
		reports = 1
		if s.progress.Dead > 0 {
			m.counts.Failed++
		} else {
			m.counts.Completed++
		}
	}
	m.bookLocked(p.TenantID, -reports, -bytes)
	m.mu.Unlock()
	if s.freed > 0 {
		m.wakeCleaner()
	}
	e := event.Event{
		Type: event.ChunkUploaded, TenantID: p.TenantID, JobID: p.JobID, ReportID: p.ReportID,
		Message: fmt.Sprintf("chunk %d/%d uploaded", p.Index+1, p.Total),
		Details: map[string]any{"chunk_index": p.Index, "total_chunks": p.Total, "size": len(p.Data), "attempt": p.Attempt},
	}
	if o.Kind == part.Dead {
		e.Type, e.Severity, e.Error = event.ChunkFailed, event.Error, errText(o.Err)
		e.Message = fmt.Sprintf("chunk %d/%d became a dead letter", p.Index+1, p.Total)
	}
	m.events.Record(e)
	if s.freed > 0 {
		m.removed(removal{reason: byUpload, tenant: p.TenantID, job: p.JobID, report: p.ReportID, bytes: s.freed})
	}
}

// requeue makes the dead letters of a report due again and returns their number.
func (m *Manager) requeue(t *tx, rid int64) (int64, error) {
	var size int64
	var state int
	var tenant string
	if err := t.Row(`SELECT r.tenant, r.state, coalesce(sum(p.size), 0) FROM reports r LEFT JOIN parts p ON p.rid = r.rid AND p.state = 3
		WHERE r.rid = ? GROUP BY r.rid`, []any{rid}, &tenant, &state, &size); err != nil {
		if isNoRows(err) {
			return 0, ErrNotFound
		}
		return 0, err
	}
	n, err := t.Exec("UPDATE parts SET state = ?, due = 0, attempts = 0 WHERE rid = ? AND state = ?", schema.PartWaiting, rid, schema.PartDead)
	if err != nil || n == 0 {
		return n, err
	}
	if _, err := t.Exec("UPDATE reports SET dead = dead - ?, state = ?, finished = 0 WHERE rid = ?", n, schema.ReportPending, rid); err != nil {
		return 0, err
	}
	t.AfterCommit(func() {
		m.mu.Lock()
		m.counts.Parts += n
		m.counts.Bytes += size
		if state == schema.ReportFailed {
			m.counts.Recovered++
			m.bookLocked(tenant, 1, 0)
		}
		m.window.stale = true
		m.mu.Unlock()
		m.wake()
	})
	return n, nil
}

// maxErrorText bounds the error stored with a part, in bytes.
const maxErrorText = 1 << 10

func errText(err error) string {
	if err == nil {
		return ""
	}
	s := err.Error()
	return s[:min(len(s), maxErrorText)]
}

// decodeResult decodes the sums stored with a report. A text that is not JSON counts as no sums.
func decodeResult(text string) (res part.Result) {
	_ = json.Unmarshal([]byte(text), &res) // only this package writes the column
	return res
}

package chunk

import (
	"context"
	"errors"
	"fmt"

	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
)

// ErrNotUploaded refuses to delete data that nobody else has yet; Drop is the word for that.
var ErrNotUploaded = errors.New("not uploaded yet")

// DeleteChunkData frees the data of an uploaded or dead part and keeps what is known of it. chunkID is the part's
// key. Doing it again does nothing. A part that is still to be uploaded gives ErrNotUploaded.
func (s *Storage) DeleteChunkData(ctx context.Context, chunkID string) error {
	return s.m.change(ctx, 0, func(t *tx) error {
		pid, state, err := s.find(t, chunkID)
		if err != nil {
			return err
		}
		if state == schema.PartWaiting {
			return fmt.Errorf("chunk %s: %w", chunkID, ErrNotUploaded)
		}
		gone := removal{reason: byOperator, tenant: s.tenant, unsent: state == schema.PartDead}
		if err := t.Row("SELECT r.id, r.job, p.size FROM parts p JOIN reports r ON r.rid = p.rid WHERE p.pid = ?", []any{pid},
			&gone.report, &gone.job, &gone.bytes); err != nil {
			return err
		}
		n, err := t.Exec("DELETE FROM blobs WHERE pid = ?", pid)
		if n > 0 {
			t.AfterCommit(func() { s.m.wakeCleaner(); s.m.removed(gone) })
		}
		return err
	})
}

// DeleteReportChunks removes all parts of a finished report, keeps the report's own row, and returns how many parts
// there were. A report that is still to be uploaded gives ErrNotUploaded.
func (s *Storage) DeleteReportChunks(ctx context.Context, reportID string) (deleted int, err error) {
	err = s.m.change(ctx, 0, func(t *tx) error {
		var waiting, known int
		var dead int64
		gone := removal{reason: byOperator, tenant: s.tenant, report: reportID}
		if err := t.Row(`SELECT count(DISTINCT r.rid) FILTER (WHERE r.state = 1), count(DISTINCT r.rid), coalesce(max(r.job), ''),
				coalesce(sum(p.size) FILTER (WHERE p.state = 3), 0), `+dataBytes+`
			FROM reports r LEFT JOIN parts p ON p.rid = r.rid LEFT JOIN blobs b ON b.pid = p.pid
			WHERE r.tenant = ? AND r.id = ? AND r.state != 0`, []any{s.tenant, reportID}, &waiting, &known, &gone.job, &dead, &gone.bytes); err != nil {
			return err
		}
		switch {
		case known == 0:
			return fmt.Errorf("report %s: %w", reportID, ErrNotFound)
		case waiting > 0:
			return fmt.Errorf("report %s: %w", reportID, ErrNotUploaded)
		}
		n, err := t.Exec("DELETE FROM parts WHERE rid IN (SELECT rid FROM reports WHERE tenant = ? AND id = ? AND state != 0)", s.tenant, reportID)
		deleted, gone.unsent = int(n), dead > 0
		t.AfterCommit(func() {
			s.m.mu.Lock()
			s.m.bookLocked(s.tenant, 0, -dead)
			s.m.mu.Unlock()
			s.m.wakeCleaner()
			if n > 0 {
				s.m.removed(gone)
			}
		})
		return err
	})
	return deleted, err
}

// CleanupToSize removes the tenant's completed reports, oldest first, until the store's data takes at most maxBytes,
// gives the space back to the filesystem, and returns how many reports were removed. Reports not yet uploaded and
// dead letters stay, so the store may remain larger.
func (s *Storage) CleanupToSize(ctx context.Context, maxBytes int64) (deleted int, err error) {
	n, err := s.m.evictTo(ctx, maxBytes, &s.tenant, byOperator)
	if err == nil {
		s.m.shrink()
	}
	return int(n), err
}

// RetryDead makes all dead letters of a report due again and returns how many there were.
func (s *Storage) RetryDead(ctx context.Context, reportID string) (retried int, err error) {
	err = s.m.change(ctx, 0, func(t *tx) error {
		retried = 0 // a change may be made anew on a full disk
		return s.each(t, reportID, func(rid int64, _ int) error {
			n, err := s.m.requeue(t, rid)
			retried += int(n)
			return err
		})
	})
	return retried, err
}

// Drop removes a report whatever its state: an operator's word that it is not wanted any more. It returns how many
// revisions were removed.
func (s *Storage) Drop(ctx context.Context, reportID string) (dropped int, err error) {
	err = s.m.change(ctx, 0, func(t *tx) error {
		dropped = 0
		return s.each(t, reportID, func(rid int64, state int) error {
			dropped++
			return s.m.remove(t, rid, state, byOperator)
		})
	})
	return dropped, err
}

// each calls f for every revision of a report.
func (s *Storage) each(t *tx, reportID string, f func(rid int64, state int) error) error {
	found := false
	for rev := 0; ; found = true {
		var rid int64
		var state int
		if err := t.Row("SELECT coalesce(min(rev), 0) FROM reports WHERE tenant = ? AND id = ? AND state != 0 AND rev > ?",
			[]any{s.tenant, reportID, rev}, &rev); err != nil {
			return err
		}
		if rev == 0 {
			break
		}
		if err := t.Row("SELECT rid, state FROM reports WHERE tenant = ? AND id = ? AND rev = ?", []any{s.tenant, reportID, rev}, &rid, &state); err != nil {
			return err
		}
		if err := f(rid, state); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("report %s: %w", reportID, ErrNotFound)
	}
	return nil
}

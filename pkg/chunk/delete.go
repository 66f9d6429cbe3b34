package chunk

import (
	"context"
	"fmt"

	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
	"github.com/rediverio/sdk/pkg/part"
)

// DeleteChunkData removes the data of an uploaded or dead part and keeps its row. chunkID is the key of the part. To repeat
// the call does nothing. It returns ErrNotUploaded for a part that is still to be uploaded.
func (s *Storage) DeleteChunkData(ctx context.Context, chunkID string) error {
	reportID, content, index, err := part.ParseKey(chunkID)
	if err != nil {
		return err
	}
	return s.m.change(ctx, 0, func(t *tx) error {
		gone := removal{reason: byOperator, tenant: s.tenant, report: reportID}
		var pid int64
		var state int
		err := t.Row(`SELECT p.pid, p.state, r.job, p.size FROM reports r JOIN parts p ON p.rid = r.rid
			WHERE r.tenant = ? AND r.id = ? AND substr(r.content, 1, 8) = ? AND p.idx = ? ORDER BY r.rev DESC LIMIT 1`,
			[]any{s.tenant, reportID, content, index}, &pid, &state, &gone.job, &gone.bytes)
		switch {
		case isNoRows(err):
			return fmt.Errorf("chunk %s: %w", chunkID, ErrNotFound)
		case err != nil:
			return err
		case state == schema.PartWaiting:
			return fmt.Errorf("chunk %s: %w", chunkID, ErrNotUploaded)
		}
		gone.unsent = state == schema.PartDead
		n, err := t.Exec("DELETE FROM blobs WHERE pid = ?", pid)
		if n > 0 {
			t.AfterCommit(func() { s.m.wakeCleaner(); s.m.removed(gone) })
		}
		return err
	})
}

// DeleteReportChunks removes all parts of a finished report, keeps the row of the report, and returns the number of parts.
// It returns ErrNotUploaded for a report that is still to be uploaded.
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

// CleanupToSize removes completed reports of the tenant, oldest first, until the data in the store takes at most maxBytes,
// and returns free space to the file system. It returns the number of reports removed. Reports that are not uploaded and
// dead letters stay, so the store may remain larger.
func (s *Storage) CleanupToSize(ctx context.Context, maxBytes int64) (deleted int, err error) {
	n, err := s.m.evictTo(ctx, maxBytes, &s.tenant, byOperator)
	if err == nil {
		s.m.shrink()
	}
	return int(n), err
}

// RetryDead makes all dead letters of a report due again and returns their number.
func (s *Storage) RetryDead(ctx context.Context, reportID string) (retried int, err error) {
	return s.eachRevision(ctx, reportID, func(t *tx, rid int64, _ int) (int, error) {
		n, err := s.m.requeue(t, rid)
		return int(n), err
	})
}

// Drop removes a report in any state, uploaded or not, and returns the number of revisions removed.
func (s *Storage) Drop(ctx context.Context, reportID string) (dropped int, err error) {
	return s.eachRevision(ctx, reportID, func(t *tx, rid int64, state int) (int, error) {
		return 1, s.m.remove(t, rid, state, byOperator)
	})
}

// eachRevision calls f for every revision of a report in one change and returns the sum of its results.
func (s *Storage) eachRevision(ctx context.Context, reportID string, f func(t *tx, rid int64, state int) (int, error)) (sum int, err error) {
	err = s.m.change(ctx, 0, func(t *tx) error {
		sum = 0 // a change may be applied more than once
		for rev, found := 0, false; ; found = true {
			var rid int64
			var state int
			err := t.Row("SELECT rev, rid, state FROM reports WHERE tenant = ? AND id = ? AND state != 0 AND rev > ? ORDER BY rev LIMIT 1",
				[]any{s.tenant, reportID, rev}, &rev, &rid, &state)
			if isNoRows(err) && found {
				return nil
			}
			if isNoRows(err) {
				return fmt.Errorf("report %s: %w", reportID, ErrNotFound)
			}
			if err != nil {
				return err
			}
			n, err := f(t, rid, state)
			if err != nil {
				return err
			}
			sum += n
		}
	})
	return sum, err
}

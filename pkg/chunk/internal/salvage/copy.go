package salvage

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"errors"

	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
)

// reportUnknown is the state of a report whose state cannot be read.
const reportUnknown = -1

// copyReports copies the rows of all reports that the new store does not have, and records what is readable of the others.
func (s *salvage) copyReports() error {
	t, err := s.table("reports")
	if err != nil {
		return err
	}
	s.gap = false
	gap, err := walkTable(s.ctx, s.src, t.name, t.columns, func(rid int64, row []any) error {
		id, okID := t.value(row, "id").(string)
		tenant, okTenant := t.value(row, "tenant").(string)
		state, _ := t.value(row, "state").(int64)
		content, _ := t.value(row, "content").([]byte)
		if state == schema.ReportOpen && okID {
			return s.dst.note(rid, schema.ReportOpen, &tenant, &id, false)
		}
		if !t.valid(row) || !okID || !okTenant || id == "" || len(content) != 32 || state < schema.ReportPending || state > schema.ReportFailed {
			s.gap = true // the indexes may have it
			return s.dst.note(rid, reportUnknown, nil, nil, false)
		}
		copied, err := s.dst.add(t, row)
		if err != nil {
			return err
		}
		return s.dst.note(rid, state, &tenant, &id, copied)
	})
	if s.gap = s.gap || gap; err == nil && s.gap {
		err = s.readIndexes()
	}
	return errors.Join(err, s.dst.commit())
}

// readIndexes finds reports whose rows cannot be read: two indexes hold, between them, the ID and the state of each.
func (s *salvage) readIndexes() error {
	named := s.readIndex("SELECT rid, tenant, id, -1 FROM reports INDEXED BY sqlite_autoindex_reports_1 ORDER BY tenant, id, rev",
		"SELECT rid, tenant, id, -1 FROM reports INDEXED BY sqlite_autoindex_reports_1 ORDER BY tenant DESC, id DESC, rev DESC")
	stated := s.readIndex("SELECT rid, NULL, NULL, state FROM reports INDEXED BY reports_state ORDER BY state, finished",
		"SELECT rid, NULL, NULL, state FROM reports INDEXED BY reports_state ORDER BY state DESC, finished DESC")
	if errors.Is(named, errStopped) || errors.Is(stated, errStopped) {
		return errStopped
	}
	if named != nil && stated != nil {
		s.found.Incomplete = true
	}
	return nil
}

// readIndex reads an index from both ends. It returns an error if there is damage between them.
func (s *salvage) readIndex(queries ...string) (err error) {
	for _, q := range queries {
		if err = s.readIndexOnce(q); err == nil || errors.Is(err, errStopped) {
			return err
		}
	}
	return err
}

func (s *salvage) readIndexOnce(query string) error {
	rows, err := s.src.QueryContext(s.ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var rid, state int64
		var tenant, id *string
		if err := rows.Scan(&rid, &tenant, &id, &state); err != nil {
			return err
		}
		if state < reportUnknown || state > schema.ReportFailed {
			state = reportUnknown
		}
		if err := s.dst.note(rid, state, tenant, id, false); err != nil {
			return err
		}
	}
	return rows.Err()
}

// copyParts copies the parts of the reports just copied, each with its data if that matches its hash.
func (s *salvage) copyParts() error {
	t, err := s.table("parts")
	if err != nil {
		return err
	}
	blobs, err := s.blobs()
	if err != nil {
		return err
	}
	defer blobs.close()
	gap, err := walkTable(s.ctx, s.src, t.name, t.columns, func(pid int64, row []any) error {
		rid, _ := t.value(row, "rid").(int64)
		state, _ := t.value(row, "state").(int64)
		r, err := s.dst.known(rid)
		if err != nil {
			return err
		}
		if r == nil && state == schema.PartWaiting && s.gap {
			return s.dst.note(rid, reportUnknown, nil, nil, false)
		}
		if r == nil || !r.todo || !t.valid(row) || state < schema.PartWaiting || state > schema.PartDead ||
			r.state == schema.ReportCompleted && state != schema.PartUploaded {
			return nil
		}
		if _, err := s.dst.add(t, row); err != nil {
			return err
		}
		data, err := blobs.read(pid)
		switch {
		case errors.Is(err, sql.ErrNoRows) && state != schema.PartWaiting:
			return nil // freed before
		case err == nil && s.intact(r, t, row, blobs.value(data, "data")):
			_, err := s.dst.add(blobs.table, data)
			return err
		case state == schema.PartUploaded:
			return nil // its data is not needed
		}
		s.found.UnreadableParts++
		return s.dst.spoil(rid)
	})
	s.found.Incomplete = s.found.Incomplete || gap && s.gap
	return err
}

// intact reports whether data matches the hash of the part. Data whose key is not at hand is accepted; it is verified when
// it is decrypted.
func (s *salvage) intact(r *seenReport, parts *table, row []any, data any) bool {
	b, ok := data.([]byte)
	sha, _ := parts.value(row, "sha").([]byte)
	index, _ := parts.value(row, "idx").(int64)
	if key, _ := parts.value(row, "keyid").(string); key != "" {
		if !s.keys.Has(key) {
			return ok
		}
		plain, err := s.keys.Open(b, key, r.tenant, r.id, int(index))
		if err != nil {
			return false
		}
		b = plain
	}
	sum := sha256.Sum256(b)
	return bytes.Equal(sum[:], sha)
}

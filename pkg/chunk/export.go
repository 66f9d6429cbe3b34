package chunk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/rediverio/sdk/pkg/part"
)

// Export writes the stored parts of the newest revision of a report to w, one line of JSON for each part that has its data,
// in order. Each line is a report of its own, with the tool, the metadata and the assets that its findings reference. Export
// returns the number of parts it wrote. It fails with ErrNotFound, and at the first part that is damaged.
func (s *Storage) Export(ctx context.Context, reportID string, w io.Writer) (parts int, err error) {
	if _, err := s.Report(ctx, reportID); err != nil {
		return 0, err
	}
	for index := -1; ; parts++ {
		p, err := s.storedPart(ctx, reportID, index)
		if isNoRows(err) {
			return parts, nil
		}
		if err != nil {
			return parts, err
		}
		r, err := p.Report()
		if err != nil {
			return parts, err
		}
		if err := json.NewEncoder(w).Encode(r); err != nil {
			return parts, err
		}
		index = p.Index
	}
}

// storedPart returns the first part after an index that has its data.
func (s *Storage) storedPart(ctx context.Context, reportID string, after int) (*part.Part, error) {
	p := &part.Part{ReportID: reportID, TenantID: s.tenant}
	var content, sha []byte
	var keyID string
	err := s.m.db.Row(ctx, `SELECT r.content, p.idx, p.encoding, p.sha, p.keyid, b.data FROM reports r JOIN parts p ON p.rid = r.rid JOIN blobs b ON b.pid = p.pid
		WHERE r.tenant = ?1 AND r.id = ?2 AND r.rev = (SELECT max(rev) FROM reports WHERE tenant = ?1 AND id = ?2 AND state != 0) AND p.idx > ?3
		ORDER BY p.idx LIMIT 1`, []any{s.tenant, reportID, after}, &content, &p.Index, &p.Encoding, &sha, &keyID, &p.Data)
	if err != nil {
		return nil, err
	}
	p.SHA256, p.Key = hash32(sha), part.Key(reportID, hash32(content), p.Index)
	if p.Data, err = s.m.keys.Open(p.Data, keyID, s.tenant, reportID, p.Index); err != nil {
		return nil, fmt.Errorf("part %s: %w", p.Key, err)
	}
	return p, nil
}

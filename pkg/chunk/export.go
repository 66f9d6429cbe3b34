package chunk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/rediverio/sdk/pkg/part"
)

// Export writes what is stored of a report's newest revision, a line of JSON for each part whose data is still there,
// in their order: each is a report of its own, with the tool, the metadata and the assets its findings reference. It
// returns how many parts it wrote. It fails with ErrNotFound, and at the first part that is damaged.
func (s *Storage) Export(ctx context.Context, reportID string, w io.Writer) (parts int, err error) {
	if s.m.db.Closed() {
		return 0, ErrClosed
	}
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

// storedPart reads the first part after an index whose data is there.
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

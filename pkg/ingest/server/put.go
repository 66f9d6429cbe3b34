package server

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
	"github.com/rediverio/sdk/pkg/report"
)

// incoming is one part of a report in a request.
type incoming struct {
	key        string // empty for clients that send none
	sha        [32]byte
	size       int64 // compressed, in bytes
	reportID   string
	idx, total int
	chunk      bool // received on the chunk path
	jobID      string
	submitted  int64 // when the agent accepted the report, in Unix milliseconds; 0 if unknown
	doc        *document
}

// fullKey returns the part's key, or one made of its report, index and hash. No key of part.Key contains a slash.
func (in *incoming) fullKey() string {
	if in.key != "" {
		return in.key
	}
	return fmt.Sprintf("%s/%d/%d/%x", in.reportID, in.total, in.idx, in.sha)
}

// revision returns a name for the report and its content, so that the parts of two reports with the same ID are never
// mixed. keyed is false if the key was not made by part.Key and does not identify the content.
func (in *incoming) revision() (rev string, keyed bool) {
	rev, ok := strings.CutSuffix(in.key, fmt.Sprintf(".%d", in.idx))
	hash, ok2 := strings.CutPrefix(rev, in.reportID+".")
	if _, err := hex.DecodeString(hash); ok && ok2 && err == nil && len(hash) == 16 {
		return rev, true
	}
	return fmt.Sprintf("%s/%d", in.reportID, in.total), false
}

// put stores a part. The last part of a report makes the report visible.
func (t *Tenant) put(in *incoming) (*wire.Answer, error) {
	var a *wire.Answer
	err := t.write(in.doc.rawBytes, func(tx *tx) (err error) {
		a, err = tx.putPart(t.name, in)
		return err
	})
	return a, err
}

func (t *tx) putPart(name string, in *incoming) (*wire.Answer, error) {
	tenant, err := t.tenantID(name)
	if err != nil {
		return nil, err
	}
	if a, err := t.resent(tenant, in); a != nil || err != nil {
		return a, err
	}
	rep, err := t.reportFor(tenant, in)
	if err != nil {
		return nil, err
	}
	from, to, err := t.stage(tenant, rep, in.doc)
	if err != nil {
		return nil, err
	}
	return t.finishPart(tenant, rep, in, from, to)
}

// reportRow is the state of a report.
type reportRow struct {
	id              int64
	total, received int
	skipped         int
	reportID        string
	submitted       int64
}

// reportFor returns the report that the part belongs to, which it creates if necessary.
//
// Parts whose keys do not distinguish the revisions of a report share one row until it is complete, in which a part replaces
// the stored part of the same index. After that each part becomes a report of its own and is visible at once, since it is
// unknown which of the following parts belong together.
func (t *tx) reportFor(tenant int64, in *incoming) (*reportRow, error) {
	rev, keyed := in.revision()
	r := &reportRow{reportID: in.reportID}
	var completed int64
	found, err := t.get("SELECT id, total, received, skipped, submitted, completed FROM report WHERE tenant = ? AND rev = ?",
		[]any{tenant, rev}, &r.id, &r.total, &r.received, &r.skipped, &r.submitted, &completed)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return t.newReport(tenant, rev, in, in.total)
	case !keyed && completed != 0:
		return t.newReport(tenant, in.fullKey(), in, 1)
	case r.total != in.total:
		return nil, &ConflictError{fmt.Sprintf("report %s has %d parts, but total_chunks of this part is %d", in.reportID, r.total, in.total)}
	case !keyed:
		return r, t.removePart(tenant, r, in.idx)
	}
	return r, nil
}

func (t *tx) newReport(tenant int64, rev string, in *incoming, total int) (r *reportRow, err error) {
	r = &reportRow{total: total, reportID: in.reportID}
	now := t.now.UnixMilli()
	r.id, err = t.insert(`INSERT INTO report (tenant, rev, report_id, total, job_id, created, touched) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		tenant, rev, in.reportID, total, in.jobID, now, now)
	return r, err
}

// removePart removes the part of an index from an incomplete report.
func (t *tx) removePart(tenant int64, r *reportRow, idx int) error {
	err := t.exec(`DELETE FROM content WHERE id IN (SELECT c.id FROM part p
		CROSS JOIN content c ON c.id >= p.content_from AND c.id < p.content_to WHERE p.report = ? AND p.idx = ?)`, r.id, idx)
	if err != nil {
		return err
	}
	n, err := t.affect("DELETE FROM part WHERE report = ? AND idx = ?", r.id, idx)
	if err != nil {
		return err
	}
	r.received -= int(n)
	return t.exec("UPDATE tenant SET parts = parts - ? WHERE id = ?", n, tenant)
}

// finishPart stores the row of the part, with its range of rows in content, and its answer.
func (t *tx) finishPart(tenant int64, r *reportRow, in *incoming, from, to int64) (*wire.Answer, error) {
	a := &wire.Answer{ReportID: in.reportID, Status: "accepted", Errors: in.doc.problems}
	id := report.CleanID(in.fullKey())
	if in.chunk {
		a.ChunkID, a.ChunkIndex = id, &in.idx
	} else {
		a.ScanID = id
	}
	err := t.exec(`INSERT INTO part (tenant, key, sha256, raw_sha256, report, idx, content_from, content_to, answer)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, '')`, tenant, in.fullKey(), in.sha[:], in.doc.rawSHA[:], r.id, in.idx, from, to)
	if err != nil {
		return nil, err
	}
	r.received++
	r.skipped += in.doc.skipped
	r.submitted = max(r.submitted, in.submitted)
	err = t.exec("UPDATE report SET received = ?, skipped = ?, submitted = ?, touched = ? WHERE id = ?",
		r.received, r.skipped, r.submitted, t.now.UnixMilli(), r.id)
	if err != nil {
		return nil, err
	}
	if r.received == r.total {
		if err := t.complete(tenant, r, a); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	if err := t.exec("UPDATE part SET answer = ? WHERE tenant = ? AND key = ?", string(text), tenant, in.fullKey()); err != nil {
		return nil, err
	}
	return a, t.exec("UPDATE tenant SET parts = parts + 1, bytes = bytes + ?, raw_bytes = raw_bytes + ? WHERE id = ?",
		in.size, in.doc.rawBytes, tenant)
}

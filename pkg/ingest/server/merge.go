package server

import (
	"math"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// fromContent selects the content of the parts of report ?1.
const fromContent = ` FROM part p CROSS JOIN content c ON c.id >= p.content_from AND c.id < p.content_to WHERE p.report = ?1`

// seenBefore selects the content of findings that were visible before the report. ?7 is true if findings became visible after they were staged.
const seenBefore = fromContent + ` AND (c.known OR ?7)`

// distinct selects the same with each finding once, in the order of the key of the table finding, so that its pages are
// visited in order. With min(), SQLite returns the columns of the row that has the minimum: the first of several counts.
const distinct = `(SELECT c.ident, c.severity, c.sum, min(c.id) AS id` + seenBefore + ` GROUP BY c.ident)`

// completeFindings makes the findings of a complete report visible and sets the numbers of a.
func (t *tx) completeFindings(tenant int64, r *reportRow, a *wire.Answer) error {
	var staged int64
	_, err := t.get("SELECT sum(content_to - content_from) FROM part WHERE report = ?", []any{r.id}, &staged)
	if err != nil {
		return err
	}
	// Findings are never deleted, so a finding that was known when it was staged needs no row. The first of several counts.
	created, err := t.affect(`INSERT OR IGNORE INTO finding (tenant, ident, content, sum, report, first_seen, last_seen, seen)
		SELECT ?2, c.ident, c.id, c.sum, ?1, ?3, ?3, 1`+fromContent+` AND c.known = 0 ORDER BY c.ident, c.id`, r.id, tenant, t.now.UnixMilli())
	if err != nil {
		return err
	}
	var updated int64
	if created < staged {
		if updated, err = t.updateFindings(tenant, r, created); err != nil {
			return err
		}
	}
	a.FindingsCreated, a.FindingsUpdated = int(created), int(updated)
	a.FindingsSkipped = r.skipped + int(staged-created-updated)
	if created+updated == staged {
		return nil
	}
	// The report contained findings more than once: the content of the others is deleted.
	return t.exec(`DELETE FROM content WHERE id IN (SELECT c.id FROM part p
		CROSS JOIN content c ON c.id >= p.content_from AND c.id < p.content_to
		LEFT JOIN finding f ON f.tenant = c.tenant AND f.ident = c.ident AND f.content = c.id
		WHERE p.report = ? AND f.ident IS NULL)`, r.id)
}

// earlier is the condition that the visible finding f is neither of report ?1 itself nor of a report with the same ID ?5 that
// was submitted after ?6. The report that the agent submitted last counts, whichever arrives last.
const earlier = `f.report NOT IN (SELECT ?1 UNION ALL SELECT id FROM report WHERE tenant = ?2 AND report_id = ?5 AND submitted > ?6)`

// updateFindings updates the findings that were visible before the report and returns their number.
func (t *tx) updateFindings(tenant int64, r *reportRow, created int64) (int64, error) {
	var unknown, changed int64
	_, err := t.get("SELECT coalesce(sum(known = 0), 0), coalesce(sum(severity != ?2), 0)"+fromContent, []any{r.id, unchanged}, &unknown, &changed)
	if err != nil {
		return 0, err
	}
	submitted := r.submitted
	if submitted == 0 { // unknown: the order of arrival counts
		submitted = math.MaxInt64
	}
	args := []any{r.id, tenant, unchanged, t.now.UnixMilli(), r.reportID, submitted, unknown != created}
	if changed > created {
		if err := t.deleteOldContent(args); err != nil {
			return 0, err
		}
	}
	n, err := t.affect(`UPDATE OR FAIL finding AS f SET
			content = CASE g.severity WHEN ?3 THEN content ELSE g.id END, sum = CASE g.severity WHEN ?3 THEN f.sum ELSE g.sum END,
			report = ?1, last_seen = ?4, seen = seen + 1
		FROM `+distinct+` g WHERE f.tenant = ?2 AND f.ident = g.ident AND `+earlier, args...)
	if err != nil {
		return 0, err
	}
	return n, t.exec("DELETE FROM content WHERE id IN (SELECT c.id"+fromContent+" AND c.severity = ?2)", r.id, unchanged)
}

// deleteOldContent deletes the previous content of changed findings. Incomplete reports that staged it as unchanged get a copy
// first.
func (t *tx) deleteOldContent(args []any) error {
	err := t.exec(`UPDATE content AS w SET (severity, tool, rule, path, line, title, asset, fingerprint, data) =
			(SELECT o.severity, o.tool, o.rule, o.path, o.line, o.title, o.asset, o.fingerprint, o.data
			FROM finding f CROSS JOIN content o ON o.id = f.content WHERE f.tenant = ?2 AND f.ident = w.ident)
		WHERE w.tenant = ?2 AND w.severity = ?3 AND w.ident IN (SELECT c.ident`+seenBefore+` AND c.severity != ?3)
		AND EXISTS (SELECT 1 FROM finding f WHERE f.tenant = ?2 AND f.ident = w.ident AND f.sum = w.sum)`, args...)
	if err != nil {
		return err
	}
	return t.exec(`DELETE FROM content WHERE id IN (SELECT f.content FROM `+distinct+` g
		CROSS JOIN finding f ON f.tenant = ?2 AND f.ident = g.ident WHERE g.severity != ?3 AND `+earlier+`)`, args...)
}

package ingest

// fromContent is the content that the parts of report ?1 brought.
const fromContent = ` FROM part p CROSS JOIN content c ON c.id >= p.content_from AND c.id < p.content_to WHERE p.report = ?1`

// distinct is the same, each finding once, in the order of finding's key, so that one page after the other is met.
// Beside a min(), SQLite takes the columns of the row that has it: the first of several counts.
const distinct = `(SELECT c.ident, c.severity, c.sum, min(c.id) AS id` + fromContent + ` GROUP BY c.ident)`

// completeFindings makes the findings of a complete report visible and fills in the numbers of a.
func (t *tx) completeFindings(tenant int64, r *reportRow, a *answer) error {
	var brought int64
	if _, err := t.get("SELECT sum(content_to - content_from) FROM part WHERE report = ?", []any{r.id}, &brought); err != nil {
		return err
	}
	created, err := t.affect(`INSERT OR IGNORE INTO finding (tenant, ident, content, sum, report, first_seen, last_seen, seen)
		SELECT ?2, ident, id, sum, ?1, ?3, ?3, 1 FROM `+distinct, r.id, tenant, t.now.UnixMilli())
	if err != nil {
		return err
	}
	var updated int64
	if created < brought {
		if updated, err = t.updateFindings(tenant, r.id); err != nil {
			return err
		}
	}
	a.FindingsCreated, a.FindingsUpdated = int(created), int(updated)
	a.FindingsSkipped = r.skipped + int(brought-created-updated)
	if created+updated == brought {
		return nil
	}
	// The report had some twice; the content of the others goes.
	return t.exec(`DELETE FROM content WHERE id IN (SELECT c.id FROM part p
		CROSS JOIN content c ON c.id >= p.content_from AND c.id < p.content_to
		LEFT JOIN finding f ON f.tenant = c.tenant AND f.ident = c.ident AND f.content = c.id
		WHERE p.report = ? AND f.ident IS NULL)`, r.id)
}

// updateFindings updates those that were visible before the report, and returns how many.
func (t *tx) updateFindings(tenant, rep int64) (int64, error) {
	// What they said before goes, where they say something else now.
	err := t.exec(`DELETE FROM content WHERE id IN (SELECT f.content FROM `+distinct+` g
		CROSS JOIN finding f ON f.tenant = ?2 AND f.ident = g.ident WHERE g.severity != ?3 AND f.report != ?1)`,
		rep, tenant, sameAsBefore)
	if err != nil {
		return 0, err
	}
	n, err := t.affect(`UPDATE finding SET
			content = CASE g.severity WHEN ?3 THEN content ELSE g.id END, sum = CASE g.severity WHEN ?3 THEN finding.sum ELSE g.sum END,
			report = ?1, last_seen = ?4, seen = seen + 1
		FROM `+distinct+` g WHERE finding.tenant = ?2 AND finding.ident = g.ident AND finding.report != ?1`,
		rep, tenant, sameAsBefore, t.now.UnixMilli())
	if err != nil {
		return 0, err
	}
	return n, t.exec("DELETE FROM content WHERE id IN (SELECT c.id"+fromContent+" AND c.severity = ?2)", rep, sameAsBefore)
}

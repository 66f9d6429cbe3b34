package ingest

// stage appends what a part brings, invisible until its report is complete, and returns the range of its content.
func (t *tx) stage(tenant int64, r *reportRow, doc *document) (from, to int64, err error) {
	if _, err := t.get("SELECT coalesce(max(id), 0) + 1 FROM content", nil, &from); err != nil {
		return 0, 0, err
	}
	to = from
	for i := range doc.findings {
		if err := t.stageFinding(tenant, to, doc.Tool, &doc.findings[i]); err != nil {
			return 0, 0, err
		}
		to++
	}
	for _, it := range doc.items {
		err := t.exec("INSERT OR IGNORE INTO staged_item (report, kind, ident, name, data) VALUES (?, ?, ?, ?, ?)",
			r.id, it.kind, it.ident, it.name, it.data)
		if err != nil {
			return 0, 0, err
		}
	}
	return from, to, nil
}

// sameAsBefore stands for the severity of content that says what is visible already. It need not be written
// again, which makes the usual rescan cheap, and goes when its report is complete.
const sameAsBefore = -1

func (t *tx) stageFinding(tenant, id int64, tool string, f *row) error {
	var sum int64
	visible, err := t.get("SELECT sum FROM finding WHERE tenant = ? AND ident = ?", []any{tenant, f.ident[:]}, &sum)
	if err != nil {
		return err
	}
	if visible && sum == f.sum {
		return t.exec("INSERT INTO content (id, tenant, ident, sum, severity) VALUES (?, ?, ?, ?, ?)",
			id, tenant, f.ident[:], f.sum, sameAsBefore)
	}
	return t.exec(`INSERT INTO content (id, tenant, ident, sum, severity, tool, rule, path, line, title, asset, fingerprint, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		id, tenant, f.ident[:], f.sum, f.rank, tool, f.rule, f.path, f.line, f.title, f.asset, f.fingerprint, f.data)
}

// complete makes a staged report visible, in the transaction of its last part, and fills in the numbers of a.
func (t *tx) complete(tenant int64, r *reportRow, a *answer) error {
	if err := t.completeFindings(tenant, r, a); err != nil {
		return err
	}
	var deps int
	var err error
	if a.AssetsCreated, a.AssetsUpdated, err = t.completeItems(tenant, r.id, itemAsset); err != nil {
		return err
	}
	if deps, _, err = t.completeItems(tenant, r.id, itemDependency); err != nil {
		return err
	}
	if err := t.exec("DELETE FROM staged_item WHERE report = ?", r.id); err != nil {
		return err
	}
	if err := t.exec("UPDATE report SET completed = ? WHERE id = ?", t.now.UnixMilli(), r.id); err != nil {
		return err
	}
	a.Complete = true
	return t.exec(`UPDATE tenant SET reports = reports + 1, findings = findings + ?, duplicates = duplicates + ?,
		assets = assets + ?, dependencies = dependencies + ? WHERE id = ?`,
		a.FindingsCreated, a.FindingsUpdated, a.AssetsCreated, deps, tenant)
}

func (t *tx) completeItems(tenant, rep int64, kind string) (created, updated int, err error) {
	var seen int
	_, err = t.get(`SELECT count(*), count(i.ident) FROM staged_item s LEFT JOIN item i
		ON i.tenant = ? AND i.kind = s.kind AND i.ident = s.ident WHERE s.report = ? AND s.kind = ?`,
		[]any{tenant, rep, kind}, &seen, &updated)
	if err != nil || seen == 0 {
		return 0, 0, err
	}
	now := t.now.UnixMilli()
	err = t.exec(`INSERT INTO item (tenant, kind, ident, name, report, first_seen, last_seen, data)
		SELECT ?, kind, ident, name, report, ?, ?, data FROM staged_item WHERE report = ? AND kind = ?
		ON CONFLICT DO UPDATE SET name = excluded.name, report = excluded.report, last_seen = excluded.last_seen, data = excluded.data`,
		tenant, now, now, rep, kind)
	return seen - updated, updated, err
}

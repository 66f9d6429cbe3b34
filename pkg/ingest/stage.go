package ingest

// stage writes what a part brings, invisible until its report is complete.
func (t *tx) stage(tenant int64, r *reportRow, doc *document) error {
	next, err := t.nextContent()
	if err != nil {
		return err
	}
	for i := range doc.findings {
		used, err := t.stageFinding(tenant, r.id, next, doc.Tool, &doc.findings[i])
		switch {
		case err != nil:
			return err
		case used == alreadyInReport:
			doc.skipped++
		case used == newContent:
			next++
		}
	}
	for _, it := range doc.items {
		err := t.exec("INSERT OR IGNORE INTO staged_item (report, kind, ident, name, data) VALUES (?, ?, ?, ?, ?)",
			r.id, it.kind, it.ident, it.name, it.data)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) nextContent() (id int64, err error) {
	_, err = t.get("SELECT coalesce(max(id), 0) + 1 FROM content", nil, &id)
	return id, err
}

type staged int

const (
	newContent staged = iota
	sameContent
	alreadyInReport // the report has this finding twice; the first stays
)

func (t *tx) stageFinding(tenant, rep, contentID int64, tool string, f *row) (staged, error) {
	id, same, err := t.findingID(tenant, f)
	if err != nil {
		return 0, err
	}
	use := contentID
	if same {
		use = 0
	}
	n, err := t.affect("INSERT OR IGNORE INTO sighting (report, finding, content, sum) VALUES (?, ?, ?, ?)", rep, id, use, f.sum)
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		return alreadyInReport, nil
	case same:
		return sameContent, nil
	}
	return newContent, t.exec(`INSERT INTO content (id, tenant, finding, severity, tool, rule, path, line, title, asset, fingerprint, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		contentID, tenant, id, f.rank, tool, f.rule, f.path, f.line, f.title, f.asset, f.fingerprint, f.data)
}

// findingID finds or makes the finding's row; same says that it is visible and says the same.
func (t *tx) findingID(tenant int64, f *row) (id int64, same bool, err error) {
	var content, sum int64
	found, err := t.get("SELECT id, content, sum FROM finding WHERE tenant = ? AND ident = ?",
		[]any{tenant, f.ident[:]}, &id, &content, &sum)
	if err != nil || found {
		return id, content != 0 && sum == f.sum, err
	}
	id, err = t.insert("INSERT INTO finding (tenant, ident) VALUES (?, ?)", tenant, f.ident[:])
	return id, false, err
}

// complete makes a staged report visible, in the transaction of its last part, and fills in the numbers of a.
func (t *tx) complete(tenant, rep int64, a *answer) error {
	var seen int
	_, err := t.get(`SELECT count(*), coalesce(sum(f.content = 0), 0) FROM sighting s JOIN finding f ON f.id = s.finding
		WHERE s.report = ?`, []any{rep}, &seen, &a.FindingsCreated)
	if err != nil {
		return err
	}
	a.FindingsUpdated = seen - a.FindingsCreated
	now := t.now.UnixMilli()
	if a.FindingsUpdated > 0 {
		// What a finding said before goes. Other incomplete reports never point to it: they stage 0 for "the same".
		if err := t.exec(`DELETE FROM content WHERE id IN (SELECT f.content FROM sighting s JOIN finding f ON f.id = s.finding
			WHERE s.report = ? AND s.content != 0 AND f.content != 0)`, rep); err != nil {
			return err
		}
	}
	if err := t.exec(`UPDATE finding SET
			content = CASE s.content WHEN 0 THEN finding.content ELSE s.content END,
			sum = CASE s.content WHEN 0 THEN finding.sum ELSE s.sum END,
			first_seen = CASE finding.content WHEN 0 THEN ? ELSE first_seen END,
			last_seen = ?, seen = seen + 1, report = s.report
		FROM sighting s WHERE s.report = ? AND finding.id = s.finding`, now, now, rep); err != nil {
		return err
	}
	var deps int
	if a.AssetsCreated, a.AssetsUpdated, err = t.completeItems(tenant, rep, itemAsset); err != nil {
		return err
	}
	if deps, _, err = t.completeItems(tenant, rep, itemDependency); err != nil {
		return err
	}
	for _, q := range []string{"DELETE FROM sighting WHERE report = ?", "DELETE FROM staged_item WHERE report = ?"} {
		if err := t.exec(q, rep); err != nil {
			return err
		}
	}
	if err := t.exec("UPDATE report SET completed = ? WHERE id = ?", now, rep); err != nil {
		return err
	}
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

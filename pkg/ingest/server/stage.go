package server

import (
	"strconv"
	"strings"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// stage appends the items of a part, which stay invisible until the report is complete, and returns the range of its rows in content.
func (t *tx) stage(tenant int64, r *reportRow, doc *document) (from, to int64, err error) {
	if _, err := t.get("SELECT coalesce(max(id), 0) + 1 FROM content", nil, &from); err != nil {
		return 0, 0, err
	}
	to = from + int64(len(doc.findings))
	if err := t.stageFindings(tenant, from, doc); err != nil {
		return 0, 0, err
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

// unchanged is the severity of content that is equal to the visible content. It is stored without its columns, which makes the
// usual rescan cheap, and deleted when its report is complete.
const unchanged = -1

// stageBatch is how many findings one statement stages, in half the time of single statements.
const stageBatch = 64

// The statements that stage one finding and a batch.
var stageOne, stageMany = stageText(1), stageText(stageBatch)

// stageText returns the statement that stages n findings. Parameters 1 and 2 are the tenant and the tool; eleven parameters
// for each finding follow.
func stageText(n int) string {
	rows := strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?,?,?,?,?,?),", n), ",")
	keep := ""
	for _, column := range []string{"?2", "v.rule", "v.path", "v.line", "v.title", "v.asset", "v.fingerprint", "v.data"} {
		keep += ", CASE WHEN f.sum = v.sum THEN NULL ELSE " + column + " END"
	}
	// A parameter without a number gets the number after the largest one before it.
	return `WITH tool (name) AS (SELECT ?2), v (id, ident, sum, severity, rule, path, line, title, asset, fingerprint, data) AS (VALUES ` + rows + `)
		INSERT OR FAIL INTO content (id, tenant, ident, sum, severity, tool, rule, path, line, title, asset, fingerprint, data, known)
		SELECT v.id, ?1, v.ident, v.sum, CASE WHEN f.sum = v.sum THEN ` + strconv.Itoa(unchanged) + ` ELSE v.severity END` + keep + `, f.sum IS NOT NULL
		FROM v LEFT JOIN finding f ON f.tenant = ?1 AND f.ident = v.ident`
}

func (t *tx) stageFindings(tenant, id int64, doc *document) error {
	for rest := doc.findings; len(rest) > 0; {
		text, n := stageMany, stageBatch
		if len(rest) < n {
			text, n = stageOne, 1
		}
		args := append(make([]any, 0, 2+11*n), tenant, doc.Tool)
		for i := range rest[:n] {
			f := &rest[i]
			args = append(args, id, f.ident[:], f.sum, f.rank, f.rule, f.path, f.line, f.title, f.asset, f.fingerprint, f.data)
			id++
		}
		if err := t.exec(text, args...); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// complete makes a staged report visible, in the transaction of its last part, and sets the numbers of a.
func (t *tx) complete(tenant int64, r *reportRow, a *wire.Answer) error {
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

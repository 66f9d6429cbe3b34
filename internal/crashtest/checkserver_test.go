package crashtest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/server"
	"github.com/rediverio/sdk/pkg/report"
)

// readServer returns the reports that are visible at the server, each of which must be there whole and once.
//
// A report submitted as A, as B, and as A again is taken three times, and the first A steps aside: it then has no parts,
// and has the findings of the last.
func (l *ledger) readServer(path string) (delivered, error) {
	db, err := openRead(path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.Query(`SELECT t.name, r.id, r.report_id, c.title, f.seen - 1 - (SELECT count(*) FROM report a
			WHERE a.tenant = r.tenant AND a.report_id = r.report_id AND a.completed != 0 AND ` + aside + `)
		FROM finding f JOIN report r ON r.id = f.report JOIN tenant t ON t.id = r.tenant JOIN content c ON c.id = f.content`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[int64]*visible{}
	findings := 0
	for rows.Next() {
		var tenant, id, title string
		var row int64
		var again int
		if err := rows.Scan(&tenant, &row, &id, &title, &again); err != nil {
			return nil, err
		}
		if again > 0 {
			l.wrong("server: finding %s is stored %d times too often", title, again)
		}
		if found[row] == nil {
			found[row] = &visible{tenant: tenant, id: id, indices: map[int]bool{}}
		}
		found[row].add(l, title)
		findings++
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	there := delivered{}
	for _, v := range found {
		v.whole(l, there)
	}
	return there, errors.Join(l.serverNumbers(db, path, findings), l.sound(path))
}

// aside is a condition: report a has made place for its like.
const aside = "NOT EXISTS (SELECT 1 FROM part p WHERE p.report = a.id)"

// visible is one report at the server.
type visible struct {
	tenant, id string
	version    int
	indices    map[int]bool
}

func (v *visible) add(l *ledger, title string) {
	tenant, id, version, i, err := parseTitle(title)
	switch {
	case err != nil:
		l.wrong("server: %v", err)
	case tenant != v.tenant || id != v.id:
		l.wrong("server: report %s of %s has the finding %s", v.id, v.tenant, title)
	case len(v.indices) > 0 && version != v.version:
		l.wrong("server: report %s mixes versions %d and %d", v.id, v.version, version)
	case v.indices[i]:
		l.wrong("server: finding %s is stored twice", title)
	}
	v.version = version
	v.indices[i] = true
}

// whole notes a report as delivered, and says when it is not all there or there once more.
func (v *visible) whole(l *ledger, there delivered) {
	n := name{id: v.id}
	for t, s := range tenants {
		if s == v.tenant {
			n.tenant = t
		}
	}
	if size, _ := n.shape(v.version); len(v.indices) != size {
		l.wrong("server: report %v, version %d, is visible with %d of %d findings", n, v.version, len(v.indices), size)
	}
	if there[n][v.version] {
		l.wrong("server: report %v, version %d, is stored twice", n, v.version)
	}
	if there[n] == nil {
		there[n] = map[int]bool{}
	}
	there[n][v.version] = true
}

// serverNumbers compares the server's statistics with its tables.
func (l *ledger) serverNumbers(db *sql.DB, path string, findings int) error {
	store, err := server.OpenStore(server.StoreConfig{Path: path, ReadOnly: true})
	if err != nil {
		return err
	}
	defer store.Close()
	s, err := store.Stats(context.Background())
	if err != nil {
		return err
	}
	for _, c := range []struct {
		what string
		have int64
		want string // SQL
	}{
		{"reports", s.Reports, "SELECT count(*) FROM report WHERE completed != 0"},
		{"incomplete reports", s.Incomplete, "SELECT count(*) FROM report WHERE completed = 0"},
		{"parts", s.Parts, "SELECT (SELECT count(*) FROM part) + (SELECT coalesce(sum(received), 0) FROM report a WHERE " + aside + ")"},
		{"findings", s.Findings, "SELECT count(*) FROM finding"},
		{"findings", s.Findings, fmt.Sprint("SELECT ", findings)},
		{"findings seen again", s.Duplicates, "SELECT coalesce(sum(seen - 1), 0) FROM finding"},
		{"assets", s.Assets, "SELECT count(*) FROM item WHERE kind = 'asset'"},
		{"jobs", s.Reports + s.Incomplete, "SELECT count(*) FROM report WHERE job_id = 'job'"},
		{"parts of reports", s.Parts, "SELECT coalesce(sum(received), 0) FROM report"},
	} {
		var want int64
		if err := db.QueryRow(c.want).Scan(&want); err != nil {
			return err
		}
		if c.have != want {
			l.wrong("server: %s: the statistics say %d, the tables %d", c.what, c.have, want)
		}
	}
	return nil
}

// compareFindings compares each visible finding, to the last byte, with the one that was submitted.
func (l *ledger) compareFindings(path string) error {
	store, err := server.OpenStore(server.StoreConfig{Path: path, ReadOnly: true})
	if err != nil {
		return err
	}
	defer store.Close()
	for tenant, known := range tenants {
		for f, err := range ingest.All(context.Background(), store.Tenant(known), ingest.Query{Limit: ingest.MaxPageLimit}) {
			if err != nil {
				return err
			}
			var got report.Finding
			if err := json.Unmarshal(f.Raw, &got); err != nil {
				return err
			}
			_, id, version, i, err := parseTitle(got.Title)
			if err != nil {
				return err
			}
			n := name{tenant, id}
			_, noise := n.shape(version)
			want := n.finding(version, i, noise)
			if got.Description != want.Description || got.RuleID != want.RuleID || got.Location == nil || got.Location.Path != want.Location.Path ||
				f.Title != want.Title || f.Asset != n.asset().Value || f.Fingerprint != want.Fingerprint || f.Severity != want.Severity {
				l.wrong("server: finding %s is not what was submitted: %.300s", want.Title, f.Raw)
			}
		}
	}
	return nil
}

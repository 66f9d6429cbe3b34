package crashtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/ingest"
)

// delivered is what the server holds completely.
type delivered map[name]map[int]bool

// kept is what the victim's store holds: revisions by name.
type kept map[name][]chunk.ReportInfo

// check compares the ledger with both stores, after a life. After the drain nothing may be left on the way.
func (l *ledger) check(after life) {
	w, final := after.World, after.Drain
	store, err := l.readStore(after)
	if err != nil {
		l.wrong("the store cannot be read: %v", err)
		return
	}
	there, err := l.readServer(w.IngestDB) // after the store: what is uploaded there is here
	if err != nil {
		l.wrong("the server's store cannot be read: %v", err)
		return
	}
	for n, versions := range l.must {
		for v := range versions {
			if !there[n][v] && (final || !store.onItsWay(n, v)) {
				l.wrong("report %v, version %d, was accepted and is lost; the store has %+v", n, v, store[n])
			}
		}
	}
	for n, revisions := range store {
		for _, r := range revisions {
			if r.State == chunk.StateCompleted && !there.ofSize(n, r.Findings) {
				l.wrong("report %v is said to be uploaded and is not: %+v", n, r)
			}
			if final && r.State != chunk.StateCompleted && !l.recanted[n] {
				l.wrong("report %v is left: %+v", n, r)
			}
		}
	}
}

// onItsWay says whether a version is in the store, waiting or a dead letter.
func (k kept) onItsWay(n name, version int) bool {
	size, _ := n.shape(version)
	for _, r := range k[n] {
		if r.Findings == size && (r.State == chunk.StatePending || r.State == chunk.StateFailed) {
			return true
		}
	}
	return false
}

// ofSize says whether the version of a report with so many findings was delivered.
func (d delivered) ofSize(n name, findings int) bool {
	for v := range d[n] {
		if size, _ := n.shape(v); size == findings {
			return true
		}
	}
	return false
}

// readStore opens the store as an agent does, which repairs it, and compares its numbers.
func (l *ledger) readStore(after life) (_ kept, err error) {
	m, err := chunk.NewManager(storeConfig(after.World, after.Number, event.SinkFunc(func(e event.Event) {
		full := after.World.SmallDisk && e.Type == event.ChunkCleanup // what does not fit now is done later
		if e.Severity == event.Critical || e.Severity == event.Error && !full {
			l.wrong("store: %s: %s", e.Message, e.Error)
		}
	})))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	found := kept{}
	var pending, parts int64
	for t := range tenants {
		list, err := m.Tenant(t).Reports(context.Background(), 1<<20)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			found[name{t, r.ReportID}] = append(found[name{t, r.ReportID}], r)
			if r.State == chunk.StatePending {
				pending++
				parts += int64(r.Parts - r.Uploaded - r.Dead)
			}
		}
	}
	if c := m.Counts(); c.Recovered != pending || c.Queued != pending || c.Parts != parts || c.Submitted+c.Completed+c.Failed+c.Dropped+c.InProgress != 0 {
		l.wrong("the store has %d pending reports and %d waiting parts, and counts %+v", pending, parts, c)
	}
	if now := left(m); l.ended && now != l.left {
		l.wrong("the victim left %s there are %s", l.left, now)
	}
	db := after.World.DB
	return found, errors.Join(l.nothingHidden(db, found), l.sound(db))
}

// nothingHidden looks for rows that no list shows, e.g. of reports that were being written when their process died.
func (l *ledger) nothingHidden(path string, listed kept) error {
	db, err := openRead(path)
	if err != nil {
		return err
	}
	defer db.Close()
	var rows, list int
	for _, revisions := range listed {
		list += len(revisions)
	}
	if err := db.QueryRow("SELECT count(*) FROM reports").Scan(&rows); err != nil {
		return err
	}
	if rows > list { // fewer after the list: the clean-up at the start made room
		l.wrong("the store holds %d reports and lists %d", rows, list)
	}
	return nil
}

// sound looks into a database with a connection of its own.
func (l *ledger) sound(path string) error {
	db, err := openRead(path)
	if err != nil {
		return err
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		l.wrong("%s is damaged: %s", filepath.Base(path), verdict)
	}
	var orphans int
	if err := db.QueryRow("SELECT count(*) FROM pragma_foreign_key_check").Scan(&orphans); err != nil {
		return err
	}
	if orphans > 0 {
		l.wrong("%s has %d rows whose owner is gone", filepath.Base(path), orphans)
	}
	return nil
}

func openRead(path string) (*sql.DB, error) {
	u := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: "_pragma=busy_timeout(5000)&_pragma=query_only(1)"}
	return sql.Open("sqlite", u.String())
}

// readServer returns the reports that are visible at the server, each of which must be there whole and once.
//
// A report submitted as A, as B, and as A again is taken three times, and the first A steps aside: it then has no parts,
// and its findings are those of the last.
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
	store, err := ingest.OpenStore(ingest.StoreConfig{Path: path, ReadOnly: true})
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

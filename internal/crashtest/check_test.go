package crashtest

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/event"
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
	there, err := l.readServer(w.IngestDB) // after the store, so that its uploads are here
	if err != nil {
		l.wrong("the server's store cannot be read: %v", err)
		return
	}
	if final {
		if err := l.compareFindings(w.IngestDB); err != nil {
			l.wrong("the server's findings cannot be read: %v", err)
		}
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
				l.wrong("report %v is stored as uploaded and was not received: %+v", n, r)
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

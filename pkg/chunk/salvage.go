package chunk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rediverio/sdk/internal/sqlitedb"
)

// salvage copies what is readable of a damaged store into a new one: reports of which every waiting part can be read
// and is what its hash says, with all that is known of them, and the rows of finished reports, which make the same
// content submitted again a no-op. Memory does not depend on what the store holds.
type salvage struct {
	ctx   context.Context
	src   *sql.DB
	dst   *salvageTarget
	keys  *keyring
	found salvaged
	gap   bool // in the table of reports of the image being read
}

// salvaged is what came of it. It is kept beside the damaged files and said in an event.
type salvaged struct {
	Cause           string       `json:"cause"`
	Found           int64        `json:"reports_found"` // not finished, or with dead letters, as far as can be seen
	Salvaged        int64        `json:"reports_salvaged"`
	Lost            int64        `json:"reports_lost"`
	LostIDs         []lostReport `json:"lost"` // those whose ID is readable, at most maxLostIDs
	FinishedKept    int64        `json:"finished_kept"`
	FinishedLost    int64        `json:"finished_lost"`
	DeadParts       int64        `json:"dead_parts"` // dead letters kept
	UnreadableParts int64        `json:"unreadable_parts"`
	BadFrames       int          `json:"bad_wal_frames"`
	Incomplete      bool         `json:"incomplete"` // there may be lost reports of which nothing can be seen
	NoSpace         bool         `json:"no_space"`   // the disk was full before everything was copied
	Cut             bool         `json:"cut"`        // salvageTime was over before everything was copied
}

type lostReport struct {
	Tenant string `json:"tenant,omitempty"`
	ID     string `json:"id"`
}

const maxLostIDs = 1000

// salvageTime bounds a salvage, and so the start: BenchmarkStart shows how much is copied in it.
var salvageTime = 5 * time.Minute

var errStopped = errors.New("salvage stopped")

// salvageInto makes a new store at path from the files and returns what came of it. The new one is complete and synced,
// or an error is returned.
func salvageInto(path string, f *storeFiles, keys *keyring, reserve sqlitedb.Reserve) (_ salvaged, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), salvageTime)
	defer cancel()
	dst, err := newSalvageTarget(path, reserve)
	if err != nil {
		return salvaged{}, err
	}
	defer func() { err = errors.Join(err, dst.close()) }()
	s := &salvage{ctx: ctx, dst: dst, keys: keys}
	s.found.BadFrames = f.log.bad()
	s.found.Incomplete = s.found.BadFrames > 0
	images := []*image{imageOf(f, f.log.committed())}
	if f.log.damaged() { // what the commits behind the damage have spoiled may be whole before it
		images = append(images, imageOf(f, f.log.frames[:f.log.replay]))
	}
	for _, m := range images {
		if err := s.readImage(m, path); err != nil {
			return salvaged{}, err
		}
		if dst.full {
			break
		}
	}
	if err := s.count(); err != nil {
		return salvaged{}, err
	}
	s.found.NoSpace, s.found.Cut = dst.full, ctx.Err() != nil
	s.found.Incomplete = s.found.Incomplete || dst.full || s.found.Cut
	return s.found, dst.finish()
}

// readImage copies what the new store does not have yet. Where the image's own list of tables cannot be read it takes
// that of the new store: SQLite keeps the roots of tables at the same pages, whatever is in them.
func (s *salvage) readImage(m *image, path string) error {
	if m.size == 0 {
		return nil
	}
	if m.open(s.ctx, hasTables) != nil {
		first := make([]byte, sqlitedb.PageSize)
		if err := readFirst(path, first); err != nil {
			return err
		}
		clear(first[28:32]) // the number of pages: that of the file counts
		m.first = first
		s.found.Incomplete = true
	}
	err := m.open(s.ctx, func(d *sql.DB) error {
		s.src = d
		if err := s.copyReports(); err != nil {
			return err
		}
		return s.copyParts()
	})
	if err != nil && !errors.Is(err, errStopped) {
		return err
	}
	return s.judge()
}

func readFirst(path string, b []byte) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = f.ReadAt(b, 0)
	return errors.Join(err, f.Close())
}

func hasTables(d *sql.DB) error {
	for _, t := range []string{"reports", "parts", "blobs"} {
		var n int
		if err := d.QueryRow("SELECT count(*) FROM " + t + " WHERE rowid < 0").Scan(&n); err != nil {
			return err
		}
	}
	return nil
}

// judge keeps the reports of this image that are whole and removes the others.
func (s *salvage) judge() error {
	for _, q := range []string{
		`UPDATE salvage SET kept = 1 WHERE todo = 1 AND EXISTS (SELECT 1 FROM reports r WHERE r.rid = salvage.rid AND (r.state = 2 OR salvage.bad = 0
			AND r.dead = (SELECT count(*) FROM parts p WHERE p.rid = r.rid AND p.state = 3)
			AND r.parts - r.done - r.dead = (SELECT count(*) FROM parts p WHERE p.rid = r.rid AND p.state = 1)
			AND (r.parts - r.done - r.dead > 0) = (r.state = 1)))`,
		`DELETE FROM blobs WHERE pid IN (SELECT p.pid FROM salvage s JOIN parts p ON p.rid = s.rid WHERE s.todo = 1 AND s.kept = 0)`,
		`DELETE FROM parts WHERE rid IN (SELECT rid FROM salvage WHERE todo = 1 AND kept = 0)`,
		`DELETE FROM reports WHERE rid IN (SELECT rid FROM salvage WHERE todo = 1 AND kept = 0)`,
		`UPDATE salvage SET todo = 0, bad = 0`,
	} {
		if err := s.dst.exec(q); err != nil {
			return fmt.Errorf("sort out what was salvaged: %w", err)
		}
	}
	return s.dst.commit()
}

// count fills in the numbers from the table of everything seen.
func (s *salvage) count() error {
	f := &s.found
	err := s.dst.conn.QueryRowContext(context.Background(), `SELECT
			count(*) FILTER (WHERE state != 2), count(*) FILTER (WHERE state != 2 AND kept), count(*) FILTER (WHERE state != 2 AND NOT kept),
			count(*) FILTER (WHERE state = 2 AND kept), count(*) FILTER (WHERE state = 2 AND NOT kept), (SELECT count(*) FROM parts WHERE state = 3)
		FROM salvage WHERE state != 0`).Scan(&f.Found, &f.Salvaged, &f.Lost, &f.FinishedKept, &f.FinishedLost, &f.DeadParts)
	if err != nil {
		return err
	}
	rows, err := s.dst.conn.QueryContext(context.Background(),
		"SELECT tenant, id FROM salvage WHERE state NOT IN (0, 2) AND NOT kept AND id IS NOT NULL ORDER BY rid LIMIT ?", maxLostIDs)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var l lostReport
		if err := rows.Scan(&l.Tenant, &l.ID); err != nil {
			return err
		}
		f.LostIDs = append(f.LostIDs, l)
	}
	return rows.Err()
}

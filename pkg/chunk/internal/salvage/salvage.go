package salvage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/chunk/internal/walimage"
)

// salvage copies the readable part of a damaged store into a new one: reports whose waiting parts can all be read and match
// their hashes, with everything known about them, and the rows of finished reports, which make a repeated submission of
// the same content a no-op. Its memory use does not depend on the size of the store.
type salvage struct {
	ctx   context.Context
	src   *sql.DB
	dst   *target
	keys  Keys
	found Report
	gap   bool // in the table of reports of the image being read
}

// salvageTime bounds a salvage, and so the start. BenchmarkStart shows how much is copied in that time.
var salvageTime = 5 * time.Minute

var errStopped = errors.New("salvage stopped")

// Fill makes a new store at path from the damaged files. It returns an error unless the new store is complete and synced.
func (s *Store) Fill(path string, f *walimage.Files) (_ Report, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), salvageTime)
	defer cancel()
	dst, err := newTarget(path, s.Reserve)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, dst.close()) }()
	c := &salvage{ctx: ctx, dst: dst, keys: s.Keys}
	c.found.BadFrames = f.Log.Bad()
	c.found.Incomplete = c.found.BadFrames > 0
	images := []*walimage.Image{f.Image(f.Log.Committed())}
	if f.Log.Damaged() { // what the commits behind the damage have spoiled may be intact before it
		images = append(images, f.Image(f.Log.Frames[:f.Log.Replay]))
	}
	for _, m := range images {
		if err := c.readImage(m, path); err != nil {
			return Report{}, err
		}
		if dst.full {
			break
		}
	}
	if err := c.count(); err != nil {
		return Report{}, err
	}
	c.found.NoSpace, c.found.Cut = dst.full, ctx.Err() != nil
	c.found.Incomplete = c.found.Incomplete || dst.full || c.found.Cut
	return c.found, dst.finish()
}

// readImage copies what the new store does not have yet. If the image's own list of tables cannot be read, it uses the list
// of the new store: SQLite keeps the roots of tables at the same pages, whatever they contain.
func (s *salvage) readImage(m *walimage.Image, path string) error {
	if m.Size() == 0 {
		return nil
	}
	if m.Open(s.ctx, hasTables) != nil {
		first, err := readFirstPage(path)
		if err != nil {
			return err
		}
		clear(first[28:32]) // the number of pages, so that the size of the file is used
		m.First = first
		s.found.Incomplete = true
	}
	err := m.Open(s.ctx, func(d *sql.DB) error {
		s.src = d
		if err := s.copyReports(); err != nil {
			return err
		}
		return s.copyParts()
	})
	if err != nil && !errors.Is(err, errStopped) {
		return err
	}
	return s.keepComplete()
}

func readFirstPage(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b := make([]byte, sqlitedb.PageSize)
	_, err = io.ReadFull(f, b)
	return b, errors.Join(err, f.Close())
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

// keepComplete keeps the reports of this image that are complete and removes the others.
func (s *salvage) keepComplete() error {
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

// count fills in the numbers of the report.
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
		"SELECT coalesce(tenant, ''), id FROM salvage WHERE state NOT IN (0, 2) AND NOT kept AND id IS NOT NULL ORDER BY rid LIMIT ?", maxLostIDs)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var l LostReport
		if err := rows.Scan(&l.Tenant, &l.ID); err != nil {
			return err
		}
		f.LostIDs = append(f.LostIDs, l)
	}
	return rows.Err()
}

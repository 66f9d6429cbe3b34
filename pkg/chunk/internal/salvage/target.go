package salvage

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
)

// target is the new store while it is filled. It is not used before it is finished, so it is synced once, at the end; until
// then only rollback must work, for a full disk.
type target struct {
	path    string
	pool    *sql.DB
	conn    *sql.Conn
	stmts   sqlitedb.Statements
	reserve sqlitedb.Reserve // belongs to the damaged store; released when the disk is full
	full    bool
	pending int // bytes of the transaction; see change
}

// batchBytes bounds the data that shares a transaction. Each row counts a thousandth of it.
const batchBytes = 4 << 20

func newTarget(path string, r sqlitedb.Reserve) (_ *target, err error) {
	t := &target{path: path, reserve: r}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	for _, old := range []string{path, path + "-journal"} { // left by a salvage that was interrupted
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return t, err
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return t, err
	}
	if err := f.Close(); err != nil {
		return t, err
	}
	if t.pool, err = sql.Open("sqlite", sqlitedb.DSN(path, "auto_vacuum(2)", "journal_mode(MEMORY)", "synchronous(OFF)", "foreign_keys(0)")); err != nil {
		return t, err
	}
	ctx := context.Background()
	if t.conn, err = t.pool.Conn(ctx); err != nil {
		return t, err
	}
	if err := t.create(ctx); err != nil {
		if !sqlitedb.IsFull(err) {
			return t, err
		}
		if err = errors.Join(t.reserve.Release(), t.create(ctx)); err != nil {
			return t, err
		}
	}
	return t, t.exec("BEGIN")
}

func (t *target) create(ctx context.Context) error {
	if err := sqlitedb.Migrate(ctx, t.conn, t.path, schema.Migrations); err != nil {
		return err
	}
	// The reports seen: state and name as far as they are readable, whether the report is being copied (todo), whether a part is
	// unreadable (bad), and whether it is complete in the new store (kept).
	_, err := t.conn.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS salvage (rid INTEGER PRIMARY KEY, state INTEGER NOT NULL, tenant TEXT, id TEXT,
		todo INTEGER NOT NULL DEFAULT 0, bad INTEGER NOT NULL DEFAULT 0, kept INTEGER NOT NULL DEFAULT 0)`)
	return err
}

// note records that a report was seen, and whether its row was just copied. Known values are kept.
func (t *target) note(rid, state int64, tenant, id *string, copied bool) error {
	_, err := t.change(0, `INSERT INTO salvage (rid, state, tenant, id, todo) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET state = max(state, excluded.state),
		tenant = coalesce(tenant, excluded.tenant), id = coalesce(id, excluded.id), todo = max(todo, excluded.todo)`, rid, state, tenant, id, copied)
	return err
}

// spoil records that a part of a report cannot be read.
func (t *target) spoil(rid int64) error {
	_, err := t.change(0, "UPDATE salvage SET bad = 1 WHERE rid = ?", rid)
	return err
}

// seenReport is the record of a report that was seen.
type seenReport struct {
	state      int64
	tenant, id string
	todo       bool // the report is being copied
}

// known returns the record of a report, or nil if it was not seen.
func (t *target) known(rid int64) (*seenReport, error) {
	s, err := t.prepare("SELECT state, coalesce(tenant, ''), coalesce(id, ''), todo FROM salvage WHERE rid = ?")
	if err != nil {
		return nil, err
	}
	var r seenReport
	err = s.QueryRow(rid).Scan(&r.state, &r.tenant, &r.id, &r.todo)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &r, err
}

// add inserts a row and reports whether it did: a row that contradicts another one is left out.
func (t *target) add(into *table, row []any) (added bool, err error) {
	weight := 0
	for _, v := range row {
		if b, ok := v.([]byte); ok {
			weight += len(b)
		}
	}
	n, err := t.change(weight, into.insert, row...)
	return n > 0, err
}

// change runs a statement and commits from time to time. It returns errStopped when the disk is full.
func (t *target) change(weight int, query string, args ...any) (n int64, err error) {
	s, err := t.prepare(query)
	if err == nil {
		var res sql.Result
		if res, err = s.Exec(args...); err == nil {
			n, err = res.RowsAffected()
		}
	}
	if t.pending += weight + batchBytes/1000; err == nil && t.pending > batchBytes {
		return n, t.commit()
	}
	return n, t.stopFull(err)
}

func (t *target) commit() error {
	t.pending = 0
	err := t.exec("COMMIT")
	if err == nil {
		err = t.exec("BEGIN")
	}
	return t.stopFull(err)
}

// stopFull turns the error of a full disk into errStopped. Committed rows are kept.
func (t *target) stopFull(err error) error {
	if err == nil || !sqlitedb.IsFull(err) {
		return err
	}
	t.full = true
	_ = t.exec("ROLLBACK") // fails if SQLite has rolled back by itself
	return errors.Join(errStopped, t.reserve.Release(), t.exec("BEGIN"))
}

func (t *target) exec(query string) error {
	_, err := t.conn.ExecContext(context.Background(), query)
	return err
}

func (t *target) prepare(query string) (*sql.Stmt, error) {
	return t.stmts.Prepare(t.conn, query)
}

// finish removes the working table, closes the new store and syncs it.
func (t *target) finish() error {
	for _, q := range []string{"DROP TABLE salvage", "COMMIT"} {
		if err := t.exec(q); err != nil {
			return err
		}
	}
	if err := t.close(); err != nil {
		return err
	}
	f, err := os.OpenFile(t.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (t *target) close() error {
	errs := []error{t.stmts.Close()}
	if t.conn != nil {
		errs = append(errs, t.conn.Close())
	}
	if t.pool != nil {
		errs = append(errs, t.pool.Close())
	}
	t.conn, t.pool = nil, nil
	return errors.Join(errs...)
}

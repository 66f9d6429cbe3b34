package chunk

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"

	"github.com/rediverio/sdk/internal/sqlitedb"
)

// salvageTarget is the new store while it is filled. Nobody relies on it before it is finished, so it is synced once,
// at the end; a rollback is all that is needed before, for the case of a full disk.
type salvageTarget struct {
	path    string
	pool    *sql.DB
	conn    *sql.Conn
	stmts   sqlitedb.Statements
	reserve sqlitedb.Reserve // of the damaged store: given up when the disk is full
	full    bool
	pending int // rows in the transaction, or their bytes
}

// salvageBatch is how many bytes of data, or as many rows of a thousandth, share a transaction.
const salvageBatch = 4 << 20

func newSalvageTarget(path string, r sqlitedb.Reserve) (_ *salvageTarget, err error) {
	t := &salvageTarget{path: path, reserve: r}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	for _, old := range []string{path, path + "-journal"} { // of a salvage that was interrupted
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

func (t *salvageTarget) create(ctx context.Context) error {
	if err := sqlitedb.Migrate(ctx, t.conn, t.path, migrations); err != nil {
		return err
	}
	// Every report that was seen: its state and name as far as they can be read, whether it is being copied, whether
	// something of it cannot be, and whether it is whole in the new store.
	_, err := t.conn.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS salvage (rid INTEGER PRIMARY KEY, state INTEGER NOT NULL, tenant TEXT, id TEXT,
		todo INTEGER NOT NULL DEFAULT 0, bad INTEGER NOT NULL DEFAULT 0, kept INTEGER NOT NULL DEFAULT 0)`)
	return err
}

// note remembers a report, and whether its row was copied just now; what is known of it already stays.
func (t *salvageTarget) note(rid, state int64, tenant, id *string, copied bool) error {
	_, err := t.change(0, `INSERT INTO salvage (rid, state, tenant, id, todo) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET state = max(state, excluded.state),
		tenant = coalesce(tenant, excluded.tenant), id = coalesce(id, excluded.id), todo = max(todo, excluded.todo)`, rid, state, tenant, id, copied)
	return err
}

// spoil notes that a part of a report cannot be read.
func (t *salvageTarget) spoil(rid int64) error {
	_, err := t.change(0, "UPDATE salvage SET bad = 1 WHERE rid = ?", rid)
	return err
}

// seenReport is what is noted of a report.
type seenReport struct {
	state      int64
	tenant, id string
	todo       bool // it is being copied
}

// known returns what is noted of a report, nil when it was not seen.
func (t *salvageTarget) known(rid int64) (*seenReport, error) {
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

// add inserts a row, and says whether it did: one that contradicts another is left out.
func (t *salvageTarget) add(table *salvageTable, row []any) (added bool, err error) {
	weight := 0
	for _, v := range row {
		if b, ok := v.([]byte); ok {
			weight += len(b)
		}
	}
	n, err := t.change(weight, table.insert, row...)
	return n > 0, err
}

// change runs a statement, commits from time to time, and ends the salvage with errStopped when the disk is full.
func (t *salvageTarget) change(weight int, query string, args ...any) (n int64, err error) {
	s, err := t.prepare(query)
	if err == nil {
		var res sql.Result
		if res, err = s.Exec(args...); err == nil {
			n, err = res.RowsAffected()
		}
	}
	if t.pending += weight + salvageBatch/1000; err == nil && t.pending > salvageBatch {
		return n, t.commit()
	}
	return n, t.stopFull(err)
}

func (t *salvageTarget) commit() error {
	t.pending = 0
	err := t.exec("COMMIT")
	if err == nil {
		err = t.exec("BEGIN")
	}
	return t.stopFull(err)
}

// stopFull turns the error of a full disk into errStopped: what is there already stays.
func (t *salvageTarget) stopFull(err error) error {
	if err == nil || !sqlitedb.IsFull(err) {
		return err
	}
	t.full = true
	_ = t.exec("ROLLBACK") // fails where SQLite has done it
	return errors.Join(errStopped, t.reserve.Release(), t.exec("BEGIN"))
}

func (t *salvageTarget) exec(query string) error {
	_, err := t.conn.ExecContext(context.Background(), query)
	return err
}

func (t *salvageTarget) prepare(query string) (*sql.Stmt, error) {
	return t.stmts.Prepare(t.conn, query)
}

// finish makes the new store one like any other, and durable.
func (t *salvageTarget) finish() error {
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

func (t *salvageTarget) close() error {
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

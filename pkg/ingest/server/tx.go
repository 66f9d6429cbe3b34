package server

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/rediverio/sdk/internal/sqlitedb"
)

// tx is the transaction of one write. Writes that wait at the same time share one.
type tx struct {
	*sqlitedb.Tx
	now time.Time
}

// write runs f in a transaction that is on disk when write returns nil. f may be called more than once, each time on a
// database on which it has not run. bytes is the approximate size of what f writes.
func (t *Tenant) write(bytes int64, f func(*tx) error) error {
	s := t.store
	var refusal error // what f returned last
	err := s.db.Do(context.Background(), sqlitedb.Change{Weight: int(bytes), Turn: t.name, Apply: func(inner *sqlitedb.Tx) error {
		refusal = f(&tx{inner, s.now()})
		return refusal
	}})
	if err != nil && !errors.Is(err, refusal) { // the transaction failed, not f
		return &storeError{err}
	}
	if err == nil {
		s.sweepIfDue()
	}
	return err
}

// storeError is a failure of the database. The request is not to blame and may be sent again.
type storeError struct{ err error }

func (e *storeError) Error() string { return "store: " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

func (t *tx) exec(query string, args ...any) error {
	_, err := t.affect(query, args...)
	return err
}

// affect returns the number of rows that a statement changed.
func (t *tx) affect(query string, args ...any) (rows int64, err error) {
	if rows, err = t.Tx.Exec(query, args...); err != nil {
		return 0, &storeError{err}
	}
	return rows, nil
}

// insert returns the ID of the new row.
func (t *tx) insert(query string, args ...any) (id int64, err error) {
	if id, err = t.Tx.Insert(query, args...); err != nil {
		return 0, &storeError{err}
	}
	return id, nil
}

// get scans one row. found is false if there is none.
func (t *tx) get(query string, args []any, into ...any) (found bool, err error) {
	switch err := t.Tx.Row(query, args, into...); {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, &storeError{err}
	}
	return true, nil
}

// tenantID returns the ID of a tenant, which it creates if necessary.
func (t *tx) tenantID(name string) (id int64, err error) {
	if found, err := t.get("SELECT id FROM tenant WHERE name = ?", []any{name}, &id); found || err != nil {
		return id, err
	}
	return t.insert("INSERT INTO tenant (name) VALUES (?)", name)
}

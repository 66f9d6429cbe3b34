package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Tx is the transaction in which a Change is applied. It is used by Apply alone, while Apply runs. All changes of a group
// get the same *Tx. Its statements cannot be cancelled: a goroutine for each would cost more than most of them take.
type Tx struct {
	w      *writer
	change *pending // the one being applied
	dirty  bool     // the change has written something, or a query failed
}

// transact makes the changes in one transaction and stores the result of each. One that fails is undone alone.
func (w *writer) transact(group []*pending) {
	if len(group) == 0 {
		return
	}
	// Without savepoints a transaction takes a fifth less time. They are used only after a change has failed that has
	// written something. If SQLite rolled the whole transaction back, savepoints do not help either: each change is made alone.
	spoiled, err := w.try(group, false)
	if spoiled && len(group) > 1 {
		spoiled, err = w.try(group, true)
	}
	if spoiled && len(group) > 1 {
		for i := range group {
			w.transact(group[i : i+1])
		}
		return
	}
	for _, p := range group {
		if p.err == nil && p.panicked == nil {
			p.err = err
		}
	}
}

// try applies the changes and commits. It returns spoiled, and commits nothing, when a change that has failed after it wrote
// something cannot be undone alone.
func (w *writer) try(group []*pending, savepoints bool) (spoiled bool, err error) {
	t := &Tx{w: w}
	for _, p := range group {
		p.err, p.panicked, p.after = nil, nil, nil
	}
	if _, err := t.Exec("BEGIN IMMEDIATE"); err != nil {
		w.report("begin", err)
		return false, fmt.Errorf("begin: %w", err)
	}
	w.report("begin", nil)
	committed := false
	defer func() {
		if !committed {
			_, _ = w.conn.ExecContext(context.Background(), "ROLLBACK") // fails if SQLite has rolled back by itself
		}
	}()
	for _, p := range group {
		t.change = p
		if savepoints {
			if err := t.applyAlone(); err != nil {
				return true, err
			}
		} else if t.apply(); p.err != nil || p.panicked != nil {
			if t.dirty {
				return true, nil
			}
			p.after = nil
		}
	}
	if w.cfg.BeforeCommit != nil {
		t.change = &pending{}
		if err := w.cfg.BeforeCommit(t); err != nil {
			return false, err
		}
		group = append(group[:len(group):len(group)], t.change)
	}
	w.visible.Lock()
	defer w.visible.Unlock()
	_, err = t.Exec("COMMIT")
	w.report("commit", err)
	if err != nil {
		return false, fmt.Errorf("commit: %w", err)
	}
	committed = true
	for _, p := range group {
		for _, f := range p.after {
			f()
		}
	}
	return false, nil
}

// apply runs the change.
func (t *Tx) apply() {
	p := t.change
	t.dirty = false
	defer func() {
		if p.panicked = recover(); p.panicked != nil {
			t.dirty = true
		}
	}()
	p.err = p.Apply(t)
}

// applyAlone runs the change so that its failure undoes nothing else.
func (t *Tx) applyAlone() error {
	p := t.change
	if _, err := t.Exec("SAVEPOINT one"); err != nil {
		return fmt.Errorf("savepoint: %w", err)
	}
	if t.apply(); p.err != nil || p.panicked != nil {
		p.after = nil
		if _, err := t.Exec("ROLLBACK TO one"); err != nil {
			return fmt.Errorf("undo: %w", errors.Join(p.err, err))
		}
	}
	if _, err := t.Exec("RELEASE one"); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

// AfterCommit makes f run, in the goroutine that writes, when the change is on disk and before Do returns.
func (t *Tx) AfterCommit(f func()) { t.change.after = append(t.change.after, f) }

// Exec runs a cached statement and returns the number of rows it changed.
func (t *Tx) Exec(query string, args ...any) (rows int64, err error) {
	res, err := t.exec(query, args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Insert runs a cached INSERT statement and returns the ID of the new row.
func (t *Tx) Insert(query string, args ...any) (id int64, err error) {
	res, err := t.exec(query, args)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

func (t *Tx) exec(query string, args []any) (sql.Result, error) {
	t.dirty = true
	s, err := t.w.stmts.Prepare(t.w.conn, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(context.Background(), args...)
}

// Row scans the one row of a cached query. It returns sql.ErrNoRows if there is none.
func (t *Tx) Row(query string, args []any, into ...any) error {
	s, err := t.w.stmts.Prepare(t.w.conn, query)
	if err == nil {
		err = s.QueryRowContext(context.Background(), args...).Scan(into...)
	}
	t.dirty = t.dirty || err != nil && !errors.Is(err, sql.ErrNoRows)
	return err
}

// Raw calls f with the driver's connection.
func (t *Tx) Raw(f func(driverConn any) error) error { return t.w.conn.Raw(f) }

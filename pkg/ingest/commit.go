package ingest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// op is one write. It runs in a savepoint of its own, so that its failure takes back nothing of the others that
// share its transaction, and its commit.
type op struct {
	run  func(*tx) error
	size int64
	done bool
	err  error
}

// The bounds of one transaction: past them a WAL file grows without need.
const (
	maxGroupOps   = 128
	maxGroupBytes = 8 << 20
)

// errReadOnly is returned by writes to a store that was opened for questions.
var errReadOnly = errors.New("store is open read-only")

// write runs f in a transaction that is on disk when write returns nil. Calls that come while another one
// commits share the next transaction: the first of them to get the writer commits for all.
func (s *Store) write(size int64, f func(*tx) error) error {
	o := &op{run: f, size: size}
	s.queue.Lock()
	s.queue.ops = append(s.queue.ops, o)
	s.queue.Unlock()
	s.writer.Lock()
	defer s.writer.Unlock()
	for !o.done {
		s.commit(s.takeGroup())
	}
	return o.err
}

func (s *Store) takeGroup() []*op {
	s.queue.Lock()
	defer s.queue.Unlock()
	n, size := 0, int64(0)
	for n < len(s.queue.ops) && n < maxGroupOps && (n == 0 || size+s.queue.ops[n].size <= maxGroupBytes) {
		size += s.queue.ops[n].size
		n++
	}
	group := s.queue.ops[:n:n]
	s.queue.ops = s.queue.ops[n:]
	return group
}

// commit runs a group; the caller holds the writer.
func (s *Store) commit(group []*op) {
	err := s.usable()
	if err == nil {
		var rejected map[string]int64
		err = s.inTransaction(func(t *tx) (err error) {
			for _, o := range group {
				if o.err = t.savepoint(o.run); errors.Is(o.err, errBroken) {
					return o.err
				}
			}
			if rejected, err = t.flushRejected(); err != nil {
				return err
			}
			return s.sweepSometimes(t)
		})
		if err == nil {
			s.forgetRejected(rejected)
		}
	}
	for _, o := range group {
		o.done = true
		if err != nil {
			o.err = err
		}
	}
}

func (s *Store) usable() error {
	switch {
	case s.writer.closed:
		return ErrStoreClosed
	case s.writer.conn == nil:
		return errReadOnly
	}
	return nil
}

// inTransaction commits what f wrote, and nothing when it fails; the caller holds the writer.
func (s *Store) inTransaction(f func(*tx) error) (err error) {
	t, committed := &tx{s: s, now: s.now()}, false
	defer func() { // also when f panics
		if !committed {
			_, _ = s.writer.conn.ExecContext(context.Background(), "ROLLBACK") // may have happened on its own
		}
	}()
	if err := t.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := f(t); err != nil {
		return err
	}
	err = t.exec("COMMIT")
	committed = err == nil
	return err
}

// tx is the running transaction. It uses no cancellable context: one would cost a goroutine a statement, and a
// half-run statement helps nobody.
type tx struct {
	s   *Store
	now time.Time
}

// errBroken says that the transaction itself cannot go on.
var errBroken = errors.New("transaction is broken")

func (t *tx) savepoint(f func(*tx) error) (err error) {
	if err := t.exec("SAVEPOINT one"); err != nil {
		return errors.Join(errBroken, err)
	}
	if err := f(t); err != nil {
		if rerr := t.exec("ROLLBACK TO one"); rerr != nil {
			return errors.Join(errBroken, err, rerr)
		}
		if rerr := t.exec("RELEASE one"); rerr != nil {
			return errors.Join(errBroken, err, rerr)
		}
		return err
	}
	if err := t.exec("RELEASE one"); err != nil {
		return errors.Join(errBroken, err)
	}
	return nil
}

// stmt prepares each text once.
func (t *tx) stmt(text string) (*sql.Stmt, error) {
	if st := t.s.writer.stmts[text]; st != nil {
		return st, nil
	}
	st, err := t.s.writer.conn.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, &storeError{fmt.Errorf("prepare %.40q: %w", text, err)}
	}
	t.s.writer.stmts[text] = st
	return st, nil
}

func (t *tx) exec(text string, args ...any) error {
	_, err := t.affect(text, args...)
	return err
}

// affect returns how many rows a statement changed.
func (t *tx) affect(text string, args ...any) (int64, error) {
	st, err := t.stmt(text)
	if err != nil {
		return 0, err
	}
	res, err := st.Exec(args...)
	if err != nil {
		return 0, &storeError{err}
	}
	return res.RowsAffected()
}

// insert returns the new row's ID.
func (t *tx) insert(text string, args ...any) (int64, error) {
	st, err := t.stmt(text)
	if err != nil {
		return 0, err
	}
	res, err := st.Exec(args...)
	if err != nil {
		return 0, &storeError{err}
	}
	return res.LastInsertId()
}

// get reads one row; found is false when there is none.
func (t *tx) get(text string, args []any, into ...any) (found bool, err error) {
	st, err := t.stmt(text)
	if err != nil {
		return false, err
	}
	switch err := st.QueryRow(args...).Scan(into...); {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, &storeError{err}
	}
	return true, nil
}

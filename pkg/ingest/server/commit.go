package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// op is one write. It may share its transaction, and its commit, with others. It may be run twice, the first time
// without effect.
type op struct {
	run  func(*tx) error
	size int64
	done chan struct{} // closed when err is final
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
// commits share the next transaction: one of them gets the writer and commits for all, a tenant at a time.
func (s *Store) write(tenant string, size int64, f func(*tx) error) error {
	o := &op{run: f, size: size, done: make(chan struct{})}
	s.queue.Lock()
	s.queue.ops.push(tenant, o)
	s.queue.Unlock()
	select {
	case <-o.done:
	case s.lead <- struct{}{}:
		s.commitUntil(o)
	}
	return o.err
}

func (s *Store) commitUntil(o *op) {
	defer func() { <-s.lead }()
	s.writer.Lock()
	defer s.writer.Unlock()
	for !o.isDone() {
		s.commit(s.takeGroup())
	}
}

func (o *op) isDone() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

func (s *Store) takeGroup() (group []*op) {
	s.queue.Lock()
	defer s.queue.Unlock()
	size := int64(0)
	for len(group) < maxGroupOps {
		o, ok := s.queue.ops.peek()
		if !ok || len(group) > 0 && size+o.size > maxGroupBytes {
			break
		}
		s.queue.ops.pop()
		group, size = append(group, o), size+o.size
	}
	return group
}

// commit runs a group; the caller holds the writer. When one of a group fails after it wrote something, nothing of
// the group is kept, and each is run again by itself. That is rare, and spares every other a savepoint.
func (s *Store) commit(group []*op) {
	err := s.usable()
	defer func() { // also when one of them panics
		for _, o := range group {
			if o.isDone() {
				continue
			}
			if o.err == nil {
				o.err = err
			}
			close(o.done)
		}
	}()
	if err != nil {
		return
	}
	err = errPanicked
	err = s.try(group)
	if errors.Is(err, errSpoiled) && len(group) > 1 {
		for _, o := range group {
			s.commit([]*op{o})
		}
	} else if err == nil {
		s.sweepSometimes()
	}
}

// errPanicked is what the others get when one of a group panics.
var errPanicked = errors.New("write was cut by another one")

// errSpoiled says that one of a group took the others with it.
var errSpoiled = errors.New("transaction is spoiled")

func (s *Store) try(group []*op) error {
	var rejected map[string]int64
	err := s.inTransaction(func(t *tx) (err error) {
		for _, o := range group {
			t.wrote = false
			if o.err = o.run(t); o.err != nil && (t.wrote || errors.As(o.err, new(*storeError))) {
				return errors.Join(errSpoiled, o.err)
			}
		}
		rejected, err = t.flushRejected()
		return err
	})
	if err == nil {
		s.forgetRejected(rejected)
	}
	return err
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
	s     *Store
	now   time.Time
	wrote bool // since it was last set to false
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
	t.wrote = true
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
	t.wrote = true
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

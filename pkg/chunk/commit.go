package chunk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// committer runs every change of the database in one goroutine, and all changes that wait at one moment in
// one transaction: one fsync for all of them. It begins the next transaction when the last one has ended, so
// a lone caller never waits for company.
type committer struct {
	conn  *sql.Conn
	stmts statements

	mu     sync.RWMutex // held for reading while a change is sent, so that close can end the channel
	closed bool
	ops    chan *change
	done   chan struct{}

	// visible is held for writing while what a transaction changed is seen by readers and not yet by memory.
	visible sync.RWMutex

	wal     wal
	reserve reserve
	starved func(size, limit int64) // told when readers keep the WAL from being folded in; nil: nobody
}

// change is one all-or-nothing change.
type change struct {
	apply  func(*tx) error
	weight int // bytes it writes; 0: it takes no space, or frees some
	err    chan error
	after  []func() // what becomes true in memory with the commit
	books  books    // what it adds to a tenant's account
	result error

	truncate bool // the WAL is folded in after it
}

func newCommitter(conn *sql.Conn, path string, limit int64) *committer {
	c := &committer{
		conn: conn, ops: make(chan *change, groupChanges), done: make(chan struct{}),
		wal: newWAL(path, limit), reserve: reserve{path: path + ".reserve", size: reserveShare(limit)},
	}
	_ = c.reserve.restore() // a disk that is full already must not keep the store from being emptied
	go c.run()
	return c
}

// do applies one change and returns when it is on disk, or was not made at all. weight is about how many
// bytes it writes; a change of none may use the reserve of a full disk. A ctx that is done before the change was begun stops it; later it does not.
func (c *committer) do(ctx context.Context, weight int, apply func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.send(&change{apply: apply, weight: weight, err: make(chan error, 1)})
}

func (c *committer) send(ch *change) error {
	c.mu.RLock()
	if c.closed {
		c.mu.RUnlock()
		return ErrClosed
	}
	c.ops <- ch
	c.mu.RUnlock()
	return <-ch.err
}

func (c *committer) isClosed() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.closed
}

// close waits for the changes under way and ends the goroutine. A second call does nothing.
func (c *committer) close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		<-c.done
		return nil
	}
	c.closed = true
	close(c.ops)
	c.mu.Unlock()
	<-c.done
	return errors.Join(c.stmts.close(), c.conn.Close())
}

// commit makes the group's changes and tells their callers. On a full disk those that write are refused, and the
// others made at the expense of the reserve.
func (c *committer) commit(group []*change, bytes int) {
	c.roomInWAL(bytes)
	c.transact(c.admit(group))
	if again := full(group); len(again) > 0 {
		c.transact(again)
		if again = full(again); len(again) > 0 && c.reserve.spend() == nil {
			c.transact(again)
		}
	}
	fold := slices.ContainsFunc(group, func(ch *change) bool { return ch.truncate })
	folded := c.boundWAL(fold)
	if isFull(folded) && c.reserve.spend() == nil { // folding in takes space before it gives some back
		folded = c.boundWAL(fold)
	}
	for _, ch := range group {
		if ch.weight > 0 && isNoSpace(ch.result) {
			ch.result = fmt.Errorf("%w: %w", ErrStorageFull, ch.result)
		}
		if ch.truncate && ch.result == nil { // nobody else need know: the data is safe in the WAL
			ch.result = folded
		}
		ch.err <- ch.result
	}
}

// admit returns the changes to be made: all of them, unless the reserve is spent and cannot be restored.
func (c *committer) admit(group []*change) (admitted []*change) {
	writes := func(ch *change) bool { return ch.weight > 0 }
	if !c.reserve.spent || !slices.ContainsFunc(group, writes) {
		return group
	}
	err := c.reserve.restore()
	if err == nil {
		return group
	}
	for _, ch := range group {
		if writes(ch) {
			ch.result = fmt.Errorf("%w: %w", ErrStorageFull, err)
		} else {
			admitted = append(admitted, ch)
		}
	}
	return admitted
}

// full returns the changes that need no space and failed for the want of it.
func full(group []*change) (again []*change) {
	for _, ch := range group {
		if ch.weight == 0 && isFull(ch.result) {
			again = append(again, ch)
		}
	}
	return again
}

// transact makes the changes in one transaction and notes the result with each. One that fails is undone alone.
func (c *committer) transact(group []*change) {
	if len(group) == 0 {
		return
	}
	err := c.try(group)
	for _, ch := range group {
		if ch.result == nil {
			ch.result = err
		}
	}
}

// try makes the changes without a way back for one alone, which costs a fifth less. Where one fails, all are undone
// and made once more, each with its own savepoint.
func (c *committer) try(group []*change) error {
	failed, err := c.apply(group, false)
	if failed && err == nil && len(group) > 1 {
		_, err = c.apply(group, true)
	}
	return err
}

// apply runs the changes in a transaction and commits it, unless one of them failed that has no savepoint.
func (c *committer) apply(group []*change, savepoints bool) (failed bool, err error) {
	t := &tx{c: c, group: group}
	for _, ch := range group {
		ch.result, ch.after, ch.books = nil, nil, books{}
	}
	if _, err := t.exec("BEGIN IMMEDIATE"); err != nil {
		return false, fmt.Errorf("begin: %w", err)
	}
	undo := func(err error) error {
		_, _ = c.conn.ExecContext(context.Background(), "ROLLBACK") // fails only when SQLite has rolled back by itself
		return err
	}
	for _, ch := range group {
		t.change = ch
		if !savepoints {
			if ch.result = ch.apply(t); ch.result != nil {
				return true, undo(nil)
			}
		} else if err := t.guarded(); err != nil {
			return false, undo(err)
		}
	}
	c.visible.Lock()
	defer c.visible.Unlock()
	if _, err := t.exec("COMMIT"); err != nil {
		return false, undo(fmt.Errorf("commit: %w", err))
	}
	for _, ch := range group {
		for _, f := range ch.after {
			f()
		}
	}
	return false, nil
}

// guarded runs the change so that its failure undoes nothing else.
func (t *tx) guarded() error {
	ch := t.change
	if _, err := t.exec("SAVEPOINT one"); err != nil {
		return fmt.Errorf("savepoint: %w", err)
	}
	if ch.result = ch.apply(t); ch.result != nil {
		ch.after, ch.books, t.used = nil, books{}, 0
		if _, err := t.exec("ROLLBACK TO one"); err != nil {
			return fmt.Errorf("undo: %w", errors.Join(ch.result, err))
		}
	}
	if _, err := t.exec("RELEASE one"); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

// tx is the transaction a change runs in.
type tx struct {
	c      *committer
	group  []*change // all that run in it
	change *change   // the one that runs now
	used   int64     // bytes in use, estimated; 0: not known
}

// afterCommit runs f, in the committer's goroutine, when the change is on disk and before its caller is told.
func (t *tx) afterCommit(f func()) { t.change.after = append(t.change.after, f) }

// exec runs a prepared statement and returns the rows it changed. Preparing halves a small statement's cost.
func (t *tx) exec(query string, args ...any) (int64, error) {
	s, err := t.prepare(query)
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// row runs a query of one row.
func (t *tx) row(query string, args []any, into ...any) error {
	s, err := t.prepare(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(context.Background(), args...).Scan(into...)
}

func (t *tx) prepare(query string) (*sql.Stmt, error) { return t.c.stmts.prepare(t.c.conn, query) }

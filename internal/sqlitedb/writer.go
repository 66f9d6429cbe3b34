package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/rediverio/sdk/internal/fair"
)

// Change is one all-or-nothing change of the database.
type Change struct {
	// Apply makes the change. It may be run more than once, each time on a database on which it has not run. A panic of
	// Apply undoes the change and continues in the goroutine that called Do.
	Apply func(*Tx) error

	// Weight is the approximate number of bytes the change writes. Zero means that it needs no space, or frees some: it
	// may use the reserve of a full disk.
	Weight int

	// Turn names the queue the change waits in. Queues are served in turn, so that one with many changes delays the
	// others by one change at a time.
	Turn string
}

// ErrClosed is returned by Do after Close, ErrReadOnly by Do of a database that was opened with Config.ReadOnly.
var (
	ErrClosed   = errors.New("database is closed")
	ErrReadOnly = errors.New("database is open read-only")
)

// writer makes every change in one goroutine.
type writer struct {
	cfg     Config
	conn    *sql.Conn
	stmts   Statements
	wal     wal
	reserve *Reserve
	faulty  map[string]bool // operations whose last call failed

	mu     sync.Mutex // guards the following
	queue  fair.Queue[*pending]
	wake   sync.Cond
	closed bool
	done   sync.WaitGroup

	// visible is held for writing while readers see a transaction whose AfterCommit functions have not run.
	visible sync.RWMutex
}

// pending is a change that waits for its result. The rest is owned by the goroutine that writes.
type pending struct {
	Change
	truncate bool          // checkpoint and truncate the write-ahead log after it
	done     chan struct{} // closed when the following are final
	err      error
	panicked any

	after []func()
}

func newWriter(conn *sql.Conn, cfg Config, reserve *Reserve) *writer {
	w := &writer{cfg: cfg, conn: conn, wal: newWAL(cfg), reserve: reserve, faulty: map[string]bool{}}
	w.wake.L = &w.mu
	_ = w.reserve.Restore() // a disk that is full must not keep the store from being emptied
	w.done.Go(w.run)
	return w
}

// Do makes one change and returns when it is on disk, or was not made at all. It makes no change if ctx is done
// already; it does not stop one that waits.
func (d *DB) Do(ctx context.Context, c Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.send(&pending{Change: c})
}

func (d *DB) send(p *pending) error {
	w := d.writer
	if w == nil {
		return ErrReadOnly
	}
	p.done = make(chan struct{})
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return ErrClosed
	}
	w.queue.Push(p.Turn, p)
	w.wake.Signal()
	w.mu.Unlock()
	<-p.done
	if p.panicked != nil {
		panic(p.panicked)
	}
	return p.err
}

// Waiting returns the number of changes that wait for the transaction under way to end.
func (d *DB) Waiting() int {
	if d.writer == nil {
		return 0
	}
	d.writer.mu.Lock()
	defer d.writer.mu.Unlock()
	return d.writer.queue.Len()
}

// Closed reports whether Close was called.
func (d *DB) Closed() bool {
	if d.writer == nil {
		return false
	}
	d.writer.mu.Lock()
	defer d.writer.mu.Unlock()
	return d.writer.closed
}

// Consistent runs f while no transaction is visible to readers whose AfterCommit functions have not run: what f reads
// from the database agrees with what those functions keep in memory.
func (d *DB) Consistent(f func() error) error {
	if d.writer == nil {
		return f()
	}
	d.writer.visible.RLock()
	defer d.writer.visible.RUnlock()
	return f()
}

// close waits for the changes under way and ends the goroutine.
func (w *writer) close() error {
	w.mu.Lock()
	w.closed = true
	w.wake.Signal()
	w.mu.Unlock()
	w.done.Wait()
	return errors.Join(w.stmts.Close(), w.conn.Close())
}

func (w *writer) run() {
	for {
		group, weight := w.next()
		if len(group) == 0 {
			return
		}
		w.commit(group, weight)
	}
}

// next waits for changes and takes as many as may share a transaction. It returns none when the writer is closed.
func (w *writer) next() (group []*pending, weight int) {
	maxBytes := int(min(int64(w.cfg.GroupBytes), w.wal.limit/2))
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.queue.Len() == 0 && !w.closed {
		w.wake.Wait()
	}
	for len(group) < w.cfg.GroupChanges {
		p, ok := w.queue.Peek()
		if !ok || len(group) > 0 && weight+p.Weight > maxBytes {
			break
		}
		w.queue.Pop()
		group, weight = append(group, p), weight+p.Weight
	}
	return group, weight
}

// commit makes the changes of a group and reports to their callers. On a full disk those that need space are refused,
// and the reserve is released for the others.
func (w *writer) commit(group []*pending, weight int) {
	w.makeRoomInWAL(weight)
	w.transact(w.admit(group))
	if again := failedFull(group); len(again) > 0 {
		w.transact(again)
		if again = failedFull(again); len(again) > 0 && w.reserve.Release() == nil {
			w.transact(again)
		}
	}
	truncate := slices.ContainsFunc(group, func(p *pending) bool { return p.truncate })
	w.wal.written += int64(weight + len(group)*changeBytes)
	err := w.checkpoint(truncate)
	if IsFull(err) && w.reserve.Release() == nil { // a checkpoint takes space before it frees some
		err = w.checkpoint(truncate)
	}
	w.report("checkpoint", err)
	for _, p := range group {
		if p.truncate && p.err == nil { // the other changes are safe in the write-ahead log
			p.err = err
		}
		close(p.done)
	}
}

// admit returns the changes to be made: all, unless the reserve is released and cannot be restored.
func (w *writer) admit(group []*pending) (admitted []*pending) {
	needsSpace := func(p *pending) bool { return p.Weight > 0 }
	if !w.reserve.Released || !slices.ContainsFunc(group, needsSpace) {
		return group
	}
	err := w.reserve.Restore()
	if err == nil {
		return group
	}
	for _, p := range group {
		if needsSpace(p) {
			p.err = fmt.Errorf("%w: %w", ErrNoSpace, err)
		} else {
			admitted = append(admitted, p)
		}
	}
	return admitted
}

// failedFull returns the changes that need no space and failed because there was none.
func failedFull(group []*pending) (again []*pending) {
	for _, p := range group {
		if p.Weight == 0 && IsFull(p.err) {
			again = append(again, p)
		}
	}
	return again
}

// report is the one place that learns of every failure to write, sync or checkpoint. A full disk is not a fault.
func (w *writer) report(operation string, err error) {
	fault := err != nil && !IsNoSpace(err)
	if fault && !w.faulty[operation] && w.cfg.OnFault != nil {
		w.cfg.OnFault(operation, err)
	}
	w.faulty[operation] = fault
}

package salvage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
)

// walker reads every readable row of a damaged table once. SQLite ends a query at the first damaged page, so the walker
// continues behind it: it reads forward to the damage, skips it in steps that double, reads back to it from the other side,
// and then bisects what is left.
type walker struct {
	ctx     context.Context
	db      *sql.DB
	table   string
	columns []string
	row     func(rowid int64, values []any) error // an error ends the walk

	gap    bool  // some rows could not be read
	probes int   // queries left that may fail
	err    error // of row
}

// maxProbes bounds the queries of one walk that return no rows, bisectProbes those at one place. If the end of the table
// cannot be read, tailRows bounds how far behind the damage the walker looks for rows.
const (
	maxProbes    = 4000
	bisectProbes = 1000
	tailRows     = 1 << 16
)

// walkTable calls row for every row. It returns whether there are rows that it could not read, or row's error.
func walkTable(ctx context.Context, db *sql.DB, table string, columns []string, row func(int64, []any) error) (gap bool, err error) {
	w := &walker{ctx: ctx, db: db, table: table, columns: columns, row: row, probes: maxProbes}
	w.forward(0, math.MaxInt64)
	return w.gap, w.err
}

// forward reads the rows between lo and hi, both excluded, and continues behind damage.
func (w *walker) forward(lo, hi int64) {
	for {
		last, broken := w.read(lo, hi, "ASC")
		if !broken || w.err != nil {
			return
		}
		w.gap = true
		start, beyond := w.skip(last, hi)
		if w.probes <= 0 || w.err != nil {
			return
		}
		first, broken := w.read(last, start, "DESC")
		if broken && !beyond {
			first = min(first, last+tailRows)
		}
		if broken {
			w.bisect(last, first)
		}
		if !beyond {
			return
		}
		lo = start - 1
	}
}

// skip finds a row behind damage that begins after the row last. beyond is false if there is none before hi.
func (w *walker) skip(last, hi int64) (start int64, beyond bool) {
	for step := int64(1); step > 0 && step < hi-last && w.probes > 0; step *= 2 {
		start = last + step
		found, broken := w.probe(start-1, hi)
		if found {
			return start, true
		}
		if !broken { // the table ends before
			return start, false
		}
	}
	return hi, false
}

// bisect reads what it can between two rows that enclose damage.
func (w *walker) bisect(lo, hi int64) {
	type span struct{ lo, hi int64 }
	least := w.probes - bisectProbes
	for todo := []span{{lo, hi}}; len(todo) > 0 && w.probes > max(least, 0) && w.err == nil; todo = todo[1:] { // the widest first
		s := todo[0]
		mid := s.lo + (s.hi-s.lo)/2
		first, broken := w.read(s.lo, mid+1, "DESC")
		if broken && first-s.lo > 2 { // more than one row is left, which would fail again
			todo = append(todo, span{s.lo, first})
		}
		last, broken := w.read(mid, s.hi, "ASC")
		if broken && s.hi-last > 2 {
			todo = append(todo, span{last, s.hi})
		}
	}
}

// read passes rows between lo and hi to row until there is damage. It returns the last row read, or where it began.
func (w *walker) read(lo, hi int64, order string) (last int64, broken bool) {
	last = lo
	if order == "DESC" {
		last = hi
	}
	if lo >= hi-1 {
		return last, false
	}
	if w.probes--; w.ctx.Err() != nil {
		w.probes = 0
	}
	cols := strings.Join(append([]string{"rowid"}, w.columns...), ", ")
	q, err := w.db.QueryContext(w.ctx, fmt.Sprintf("SELECT %s FROM %s WHERE rowid > ? AND rowid < ? ORDER BY rowid %s", cols, w.table, order), lo, hi)
	if err != nil {
		return last, true
	}
	defer q.Close()
	rows := 0
	for q.Next() {
		values := make([]any, len(w.columns))
		var id int64
		into := []any{&id}
		for i := range values {
			into = append(into, &values[i])
		}
		if err := q.Scan(into...); err != nil || id <= lo || id >= hi || rows > 0 && (id > last) != (order == "ASC") {
			return last, true
		}
		if w.err = w.row(id, values); w.err != nil {
			w.probes = 0
			return id, true
		}
		last = id
		rows++
	}
	if rows > 0 {
		w.probes++ // it returned rows
	}
	return last, q.Err() != nil
}

// probe reports whether there is a readable row between lo and hi, or damage.
func (w *walker) probe(lo, hi int64) (found, broken bool) {
	w.probes--
	var id int64
	err := w.db.QueryRowContext(w.ctx, fmt.Sprintf("SELECT rowid FROM %s WHERE rowid > ? AND rowid < ? ORDER BY rowid LIMIT 1", w.table), lo, hi).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false
	}
	return err == nil, err != nil
}

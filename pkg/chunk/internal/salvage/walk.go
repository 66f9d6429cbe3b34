package salvage

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
)

// walker reads every readable row of a damaged table once. SQLite ends a query at the first damaged page, so the walker reads
// the table from both ends to the damage, and then bisects the remaining range.
type walker struct {
	ctx     context.Context
	db      *sql.DB
	table   string
	columns []string
	row     func(rowid int64, values []any) error // an error ends the walk

	probes int   // queries left that may return no row
	err    error // returned by row
}

// maxProbes bounds the queries of one walk that return no row. If the end of the table cannot be read, tailRows bounds how
// far behind the damage the walker looks for rows.
const (
	maxProbes = 4000
	tailRows  = 1 << 16
)

// walkTable calls row for every row. It returns whether there are rows that it could not read, or row's error.
func walkTable(ctx context.Context, db *sql.DB, table string, columns []string, row func(int64, []any) error) (gap bool, err error) {
	w := &walker{ctx: ctx, db: db, table: table, columns: columns, row: row, probes: maxProbes}
	lo, gap := w.read(0, math.MaxInt64, "ASC")
	if !gap || w.err != nil {
		return gap, w.err
	}
	hi, broken := w.read(lo, math.MaxInt64, "DESC")
	if hi == math.MaxInt64 {
		hi = min(hi-tailRows, lo) + tailRows
	}
	if broken {
		w.bisect(lo, hi)
	}
	return true, w.err
}

// bisect reads what it can between two rows that enclose damage, both excluded.
func (w *walker) bisect(lo, hi int64) {
	type span struct{ lo, hi int64 }
	for todo := []span{{lo, hi}}; len(todo) > 0 && w.probes > 0 && w.err == nil; todo = todo[1:] { // the widest first
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

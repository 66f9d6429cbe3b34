package salvage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/rediverio/sdk/pkg/part"
)

// table is what the old and the new schema of a table have in common.
type table struct {
	name    string
	columns []string
	types   []string // declared
	notNull []bool
	insert  string // into the new one
}

func (s *salvage) table(name string) (*table, error) {
	old, err := tableInfo(s.ctx, s.src, name)
	if err != nil || len(old.columns) == 0 {
		old = nil // unreadable: assume the new schema
	}
	t, err := tableInfo(context.Background(), s.dst.conn, name)
	if err != nil {
		return nil, err
	}
	common := &table{name: name}
	for i, c := range t.columns {
		if old == nil || slices.Contains(old.columns, c) {
			common.columns = append(common.columns, c)
			common.types = append(common.types, t.types[i])
			common.notNull = append(common.notNull, t.notNull[i])
		}
	}
	common.insert = fmt.Sprintf("INSERT OR IGNORE INTO %s (%s) VALUES (?%s)", name, strings.Join(common.columns, ", "), strings.Repeat(", ?", len(common.columns)-1))
	return common, nil
}

func tableInfo(ctx context.Context, d interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, name string) (*table, error) {
	rows, err := d.QueryContext(ctx, "SELECT name, type, \"notnull\" FROM pragma_table_info(?)", name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	t := &table{name: name}
	for rows.Next() {
		var column, kind string
		var notNull bool
		if err := rows.Scan(&column, &kind, &notNull); err != nil {
			return nil, err
		}
		t.columns, t.types, t.notNull = append(t.columns, column), append(t.types, kind), append(t.notNull, notNull)
	}
	return t, rows.Err()
}

func (t *table) value(row []any, column string) any {
	if i := slices.Index(t.columns, column); i >= 0 {
		return row[i]
	}
	return nil
}

// valid reports whether the values have the types of the columns. The values of a damaged row may have any type.
func (t *table) valid(row []any) bool {
	for i, v := range row {
		ok := v == nil && !t.notNull[i]
		switch t.types[i] {
		case "INTEGER":
			_, is := v.(int64)
			ok = ok || is
		case "TEXT":
			_, is := v.(string)
			ok = ok || is
		default:
			_, is := v.([]byte)
			ok = ok || is
		}
		if !ok {
			return false
		}
	}
	return true
}

// blobReader reads the data of parts.
type blobReader struct {
	*table
	ctx  context.Context
	stmt *sql.Stmt
	err  error // of the preparation; then stmt is nil
}

// maxBlobBytes is more than the data of any part has, encrypted or not.
const maxBlobBytes = 2 * part.MaxBytes

func (s *salvage) blobs() (*blobReader, error) {
	t, err := s.table("blobs")
	if err != nil {
		return nil, err
	}
	r := &blobReader{table: t, ctx: s.ctx}
	r.stmt, r.err = s.src.PrepareContext(s.ctx, fmt.Sprintf("SELECT %s FROM blobs WHERE pid = ? AND length(data) <= %d", strings.Join(t.columns, ", "), maxBlobBytes))
	return r, nil
}

// read returns the row of a part, or sql.ErrNoRows.
func (r *blobReader) read(pid int64) ([]any, error) {
	if r.err != nil {
		return nil, r.err
	}
	values := make([]any, len(r.columns))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	return values, r.stmt.QueryRowContext(r.ctx, pid).Scan(into...)
}

func (r *blobReader) close() {
	if r.stmt != nil {
		_ = r.stmt.Close() // it only read
	}
}

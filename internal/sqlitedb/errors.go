package sqlitedb

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrNoSpace is returned for a change that needs space while the reserve is released and cannot be restored.
var ErrNoSpace = errors.New("no disk space")

// SchemaError is returned for a database that a newer version of the program wrote. The file is not changed.
type SchemaError struct {
	Path string
	Have int // schema version of the file
	Max  int // newest version that this program knows
}

func (e *SchemaError) Error() string {
	return fmt.Sprintf("%s has schema version %d, this program supports versions up to %d: use a newer program", e.Path, e.Have, e.Max)
}

// CorruptError describes the damage that a check of the database found.
type CorruptError struct{ Verdict string }

func (e *CorruptError) Error() string { return "database is damaged: " + e.Verdict }

// IsCorrupt reports whether err means that the file is damaged or not a database.
func IsCorrupt(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_CORRUPT || c == sqlite3.SQLITE_NOTADB || errors.As(err, new(*CorruptError))
}

// IsNoSpace reports whether err means that the disk is full or the database has reached its maximum size.
func IsNoSpace(err error) bool {
	return code(err) == sqlite3.SQLITE_FULL || errors.Is(err, ErrNoSpace)
}

// IsFull reports whether err may mean that the disk is full. SQLite reports a full disk as an I/O error when it
// enlarges shared memory or syncs a file.
func IsFull(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_FULL || c == sqlite3.SQLITE_IOERR
}

// code returns SQLite's primary result code, or 0 if err is not an error of SQLite.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

package server

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// checkTime bounds the check at the start, whatever the store holds: what it does not reach is found when it is used.
const checkTime = 2 * time.Second

type damageError struct{ verdict string }

func (e *damageError) Error() string { return "database is damaged: " + e.verdict }

// quickCheck looks for damage before anything relies on the file.
func quickCheck(ctx context.Context, conn *sql.Conn) error {
	short, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	var verdict string
	err := conn.QueryRowContext(short, "PRAGMA quick_check(1)").Scan(&verdict)
	switch {
	case short.Err() != nil && ctx.Err() == nil:
		return nil
	case err != nil:
		return err
	case verdict != "ok":
		return &damageError{verdict}
	}
	return nil
}

// isDamaged says whether err means that the file is damaged, or no database any more.
func isDamaged(err error) bool {
	code := sqliteCode(err)
	return errors.As(err, new(*damageError)) || code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}

// isFull says whether err means that there is no room, on the disk or under StoreConfig.MaxBytes.
func isFull(err error) bool { return sqliteCode(err) == sqlite3.SQLITE_FULL }

func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// setAside renames the file and its WAL, so that a new one can be made and the old one examined.
func (s *Store) setAside() (aside string, err error) {
	w := &s.writer
	if w.conn != nil {
		_ = w.conn.Close() // of a damaged database
	}
	_ = w.db.Close()
	w.conn, w.db = nil, nil
	aside = s.cfg.Path + ".corrupt-" + s.now().UTC().Format("20060102T150405.000000000")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if rerr := os.Rename(s.cfg.Path+suffix, aside+suffix); !errors.Is(rerr, os.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	return aside, err
}

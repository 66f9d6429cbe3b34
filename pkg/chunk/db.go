package chunk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/rediverio/sdk/internal/filelock"
)

// db is an open database: one connection that writes, through its committer, and a pool that reads.
type db struct {
	path  string
	lock  *filelock.Lock
	write *sql.DB // of one connection
	read  *sql.DB
	*committer

	readStmts statements // on read
}

// readers is how many reads may run at one time; each is short.
const readers = 4

// openDB opens or creates the database at path, whose directory is made with mode 0700. Nobody else may have it open.
// limit is the most it may take on disk, 0 for no limit.
func openDB(path string, limit int64) (_ *db, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := refuseLinks(path); err != nil {
		return nil, err
	}
	d := &db{path: path}
	if d.lock, err = filelock.Acquire(path + ".lock"); err != nil {
		return nil, fmt.Errorf("chunk store %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	// SQLite would create the file with the mode of the umask; it takes the mode of WAL and shared memory from it.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return nil, err
	}
	return d, d.connect(limit)
}

// refuseLinks fails unless what there is of a store are regular files.
func refuseLinks(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", ".lock", ".reserve"} {
		if st, err := os.Lstat(path + suffix); err == nil && !st.Mode().IsRegular() {
			return fmt.Errorf("%s is %s, want a regular file", path+suffix, st.Mode().Type())
		}
	}
	return nil
}

// connect opens both pools and brings the schema up to date.
func (d *db) connect(limit int64) (err error) {
	ctx := context.Background()
	// The pragmas are in the name so that every connection of a pool has them. auto_vacuum must precede the first table;
	// it begins a write transaction each time, so a reader does without.
	common := fmt.Sprintf("_pragma=busy_timeout(%d)&_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)", busyTimeout)
	d.write, err = sql.Open("sqlite", dsn(d.path, common+"&_pragma=auto_vacuum(2)&_pragma=synchronous(FULL)&_pragma=journal_size_limit(16777216)&_pragma=secure_delete(0)"))
	if err != nil {
		return err
	}
	d.write.SetMaxOpenConns(1)
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open %s: %w", d.path, err)
	}
	if err := migrate(ctx, conn, d.path); err != nil {
		return errors.Join(err, conn.Close())
	}
	d.read, err = sql.Open("sqlite", dsn(d.path, common+"&_pragma=query_only(1)"))
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	d.read.SetMaxOpenConns(readers)
	d.read.SetMaxIdleConns(readers) // opening one takes longer than most reads
	d.committer = newCommitter(conn, d.path, limit)
	return nil
}

func dsn(path, query string) string {
	u := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: query}
	return u.String()
}

// close ends the committer, then the readers, then the writer: the last one to close checkpoints the WAL.
func (d *db) close() error {
	var errs []error
	if d.committer != nil {
		errs = append(errs, d.committer.close())
	}
	if d.read != nil {
		errs = append(errs, d.readStmts.close(), d.read.Close())
	}
	if d.write != nil {
		errs = append(errs, d.write.Close())
	}
	return errors.Join(append(errs, d.lock.Release())...)
}

func (d *db) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := d.readStmts.prepare(d.read, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (d *db) queryRow(ctx context.Context, query string, args ...any) (*sql.Row, error) {
	s, err := d.readStmts.prepare(d.read, query)
	if err != nil {
		return nil, err
	}
	return s.QueryRowContext(ctx, args...), nil
}

// fileBytes returns what the database, its WAL and the reserve take on disk.
func (d *db) fileBytes() int64 {
	var n int64
	for _, suffix := range []string{"", "-wal", ".reserve"} {
		if st, err := os.Stat(d.path + suffix); err == nil { // what is missing takes nothing
			n += st.Size()
		}
	}
	return n
}

// Package sqlitedb is the SQLite file of a store that must not lose what it accepted.
//
// A DB has one goroutine that writes and a pool of connections that read. Changes that wait at the same time share one
// transaction, and so one fsync; a single change is never delayed to wait for others. The file is in WAL mode with
// synchronous=FULL: when Change returns nil, the change survives a power cut. The DB checkpoints the write-ahead log
// itself, so that no error of a checkpoint goes unnoticed, and keeps its size bounded.
//
//	path          the database; mode 0600, in a directory of mode 0700
//	path-wal      the write-ahead log; path-shm its index
//	path.lock     held by the process that writes
//	path.reserve  disk space held back for changes that free space; see Config.Reserve
package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/internal/filelock"
)

// PageSize is the size of a page of the file in bytes.
const PageSize = 4096

// Config describes a database. Path and Migrations are required; any other zero field means none or its default.
type Config struct {
	Path string

	// Migrations brings the schema up to date: Migrations[i] leads from version i to i+1. The version is in the file.
	Migrations []string

	// ReadOnly opens an existing database for queries alone, also while another process writes it. Nothing is locked,
	// created or migrated.
	ReadOnly bool

	// Readers is the maximum number of queries that run at one time. Defaults to 4.
	Readers int

	// Pragmas are set on the connection that writes, before the first statement, such as "auto_vacuum(2)".
	Pragmas []string

	// GroupChanges and GroupBytes bound the changes that share a transaction. They default to 512 and 8 MiB.
	GroupChanges int
	GroupBytes   int

	// MaxWAL is the size in bytes past which the write-ahead log is checkpointed and truncated. Defaults to DefaultMaxWAL.
	MaxWAL int64

	// Reserve is how many bytes of disk are held back in a file. SQLite needs space even to delete: on a full disk the
	// reserve is released for changes of weight 0, and changes that need space are refused until it is restored. Zero
	// means no reserve.
	Reserve int64

	// CheckTime bounds the quick_check that Open makes. Damage that it does not reach is found when it is read. Zero
	// means no check.
	CheckTime time.Duration

	// Prepare is called by Open with the lock held, before the files are opened.
	Prepare func() error

	// BeforeCommit is called in every transaction after its changes. An error rolls the transaction back.
	BeforeCommit func(*Tx) error

	// OnBusyWAL is called when readers prevent the write-ahead log from being truncated.
	OnBusyWAL func(size, limit int64)

	// OnFault is called when an operation ("begin", "commit" or "checkpoint") fails for a reason other than a full disk,
	// once until the operation succeeds again. It is called by the goroutine that writes and must not make a change.
	OnFault func(operation string, err error)
}

// DB is an open database. All methods may be called concurrently.
type DB struct {
	cfg  Config
	Path string
	Read *sql.DB // the connections that read

	lock      *filelock.Lock
	pool      *sql.DB // has the one connection that writes
	readStmts Statements
	writer    *writer // nil if ReadOnly
	closing   sync.Once
	closeErr  error
}

// busyTimeout is how many milliseconds a statement waits for another program that holds the database, such as a backup.
const busyTimeout = 5000

// Open opens the database and creates it if there is none. It fails with a *filelock.HeldError if another process has it
// open for writing, with a *SchemaError if a newer version wrote it, and with an error for which IsCorrupt is true if the
// file is damaged.
func Open(cfg Config) (_ *DB, err error) {
	config.Default(&cfg.Readers, 4)
	config.Default(&cfg.GroupChanges, 512)
	config.Default(&cfg.GroupBytes, 8<<20)
	config.Default(&cfg.MaxWAL, DefaultMaxWAL)
	d := &DB{cfg: cfg, Path: cfg.Path}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open %s: %w", cfg.Path, err), d.Close())
		}
	}()
	if cfg.ReadOnly {
		if _, err := os.Stat(cfg.Path); err != nil {
			return nil, err
		}
	} else if err := d.openWriter(); err != nil {
		return nil, err
	}
	if d.Read, err = sql.Open("sqlite", DSN(cfg.Path, "journal_mode(WAL)", "query_only(1)")); err != nil {
		return nil, err
	}
	d.Read.SetMaxOpenConns(cfg.Readers)
	d.Read.SetMaxIdleConns(cfg.Readers) // opening a connection takes longer than most queries
	return d, checkVersion(d.Read, cfg)
}

// openWriter takes the files for this process alone and starts the goroutine that writes.
func (d *DB) openWriter() (err error) {
	path := d.cfg.Path
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := refuseLinks(path); err != nil {
		return err
	}
	if d.lock, err = filelock.Acquire(path + ".lock"); err != nil {
		return err
	}
	if d.cfg.Prepare != nil {
		if err := d.cfg.Prepare(); err != nil {
			return err
		}
	}
	reserve := Reserve{Path: path + ".reserve", Size: d.cfg.Reserve}
	err = d.connect(&reserve)
	if IsFull(err) && d.cfg.Reserve > 0 && reserve.Release() == nil { // opening takes space, too
		_ = d.pool.Close() // what failed on it is reported by the second try
		err = d.connect(&reserve)
	}
	return err
}

func (d *DB) connect(reserve *Reserve) error {
	// SQLite would create the file with the mode of the umask. It takes the mode of the other files from this one.
	f, err := os.OpenFile(d.cfg.Path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return err
	}
	pragmas := append([]string{"foreign_keys(1)", "journal_mode(WAL)", "journal_size_limit(16777216)", "secure_delete(0)",
		"synchronous(FULL)", "wal_autocheckpoint(0)"}, d.cfg.Pragmas...)
	if d.pool, err = sql.Open("sqlite", DSN(d.cfg.Path, pragmas...)); err != nil {
		return err
	}
	d.pool.SetMaxOpenConns(1)
	ctx := context.Background()
	conn, err := d.pool.Conn(ctx)
	if err != nil {
		return err
	}
	if err = quickCheck(ctx, conn, d.cfg.CheckTime); err == nil {
		err = Migrate(ctx, conn, d.cfg.Path, d.cfg.Migrations)
	}
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	d.writer = newWriter(conn, d.cfg, reserve)
	return nil
}

// Close waits for the changes under way and closes the files. It may be called more than once and returns what the first
// call returned.
func (d *DB) Close() error {
	d.closing.Do(func() {
		var errs []error
		if d.writer != nil {
			errs = append(errs, d.writer.close())
		}
		if d.Read != nil {
			errs = append(errs, d.readStmts.Close(), d.Read.Close())
		}
		if d.pool != nil { // the last connection to be closed checkpoints and removes the write-ahead log
			errs = append(errs, d.pool.Close())
		}
		d.closeErr = errors.Join(append(errs, d.lock.Release())...)
	})
	return d.closeErr
}

// Query runs a query that is prepared once and then cached.
func (d *DB) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := d.readStmts.Prepare(d.Read, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// Row scans the one row of a cached query. It returns sql.ErrNoRows if there is none.
func (d *DB) Row(ctx context.Context, query string, args []any, into ...any) error {
	s, err := d.readStmts.Prepare(d.Read, query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(ctx, args...).Scan(into...)
}

// FileBytes returns the bytes that the database, its write-ahead log and the reserve take on disk.
func (d *DB) FileBytes() (n int64) {
	for _, suffix := range []string{"", "-wal", ".reserve"} {
		if st, err := os.Stat(d.Path + suffix); err == nil { // a missing file takes nothing
			n += st.Size()
		}
	}
	return n
}

// DSN returns the data source name of a file with pragmas. They are part of the name because an executed pragma applies to
// one connection of a pool only. Every connection waits up to 5 seconds for a lock.
func DSN(path string, pragmas ...string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if path = filepath.ToSlash(path); !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/… becomes file:///C:/…
	}
	q := url.Values{"_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", busyTimeout)}, pragmas...)}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// refuseLinks fails unless the files of a database that exist are regular files.
func refuseLinks(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", ".lock", ".reserve"} {
		if st, err := os.Lstat(path + suffix); err == nil && !st.Mode().IsRegular() {
			return fmt.Errorf("%s is %s, want a regular file", path+suffix, st.Mode().Type())
		}
	}
	return nil
}

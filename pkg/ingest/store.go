package ingest

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
)

// StoreConfig says where a Store lies. Path is required; any other zero field means its default.
type StoreConfig struct {
	Path string // the SQLite file; its directory is made with mode 0700, the file has 0600

	// ReadOnly opens an existing store for questions alone, also while another process serves it.
	ReadOnly bool

	// IncompleteAge is how long a report may stay without a new part before its parts are forgotten; they are
	// taken again when they come again. Default DefaultIncompleteAge, -1 for ever.
	IncompleteAge time.Duration
}

// DefaultIncompleteAge is the default of StoreConfig.IncompleteAge.
const DefaultIncompleteAge = 7 * 24 * time.Hour

// Validate returns every problem of the configuration in one error.
func (c StoreConfig) Validate() error {
	var errs []error
	if c.Path == "" {
		errs = append(errs, errors.New("path is empty"))
	}
	if c.IncompleteAge < 0 && c.IncompleteAge != -1 {
		errs = append(errs, fmt.Errorf("incomplete_age: %s is under 0 and not -1", c.IncompleteAge))
	}
	return errors.Join(errs...)
}

// Store keeps what a handler takes, in one SQLite file. It has no goroutine: whoever writes commits for all that
// wait with it. All methods may be called concurrently. Data is reached through Tenant alone.
type Store struct {
	cfg  StoreConfig
	read *sql.DB
	now  func() time.Time

	queue struct {
		sync.Mutex
		ops []*op
	}
	rejected struct {
		sync.Mutex
		n map[string]int64 // by tenant, not yet in the database
	}
	writer struct { // the one that holds it commits; taken before queue and rejected
		sync.Mutex
		db     *sql.DB
		conn   *sql.Conn // nil when closed or read-only
		stmts  map[string]*sql.Stmt
		swept  time.Time
		closed bool
	}
}

// ErrStoreClosed is returned by what is called after Close.
var ErrStoreClosed = errors.New("store is closed")

// OpenStore opens the store at cfg.Path, and makes it where there is none. Close it.
func OpenStore(cfg StoreConfig) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	orDefault(&cfg.IncompleteAge, DefaultIncompleteAge)
	s := &Store{cfg: cfg, now: time.Now}
	s.rejected.n = map[string]int64{}
	if err := s.open(context.Background()); err != nil {
		_ = s.Close() // the first error is the one to tell
		return nil, err
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	if s.cfg.ReadOnly {
		if _, err := os.Stat(s.cfg.Path); err != nil {
			return fmt.Errorf("open store: %w", err)
		}
	} else if err := s.openWriter(ctx); err != nil {
		return err
	}
	s.read, err = sql.Open("sqlite", dsn(s.cfg.Path, "query_only(1)"))
	if err != nil {
		return fmt.Errorf("open store %s: %w", s.cfg.Path, err)
	}
	s.read.SetMaxOpenConns(4)
	var v int
	if err := s.read.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v); err != nil {
		return fmt.Errorf("open store %s: %w", s.cfg.Path, err)
	}
	if v > schemaVersion {
		return &VersionError{s.cfg.Path, v, schemaVersion}
	}
	if v == 0 {
		return fmt.Errorf("open store %s: it is no ingest store", s.cfg.Path)
	}
	return nil
}

func (s *Store) openWriter(ctx context.Context) (err error) {
	if err := private(s.cfg.Path); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	w := &s.writer
	if w.db, err = sql.Open("sqlite", dsn(s.cfg.Path, "cache_size(-8192)")); err != nil {
		return fmt.Errorf("open store %s: %w", s.cfg.Path, err)
	}
	w.db.SetMaxOpenConns(1)
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return fmt.Errorf("open store %s: %w", s.cfg.Path, err)
	}
	w.stmts = map[string]*sql.Stmt{}
	return migrate(ctx, w.conn, s.cfg.Path)
}

// private makes the file and its directory, for their owner alone. SQLite gives its side files the same mode.
func private(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// dsn carries the pragmas, since an executed one would hold for a single pooled connection. The driver runs them
// in alphabetical order.
func dsn(path, pragma string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // C:/… becomes file:///C:/…
		path = "/" + path
	}
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "journal_size_limit(16777216)", "synchronous(FULL)", pragma}}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// Close waits for writes under way and closes the store. It may be called twice.
func (s *Store) Close() error {
	w := &s.writer
	w.Lock()
	defer w.Unlock()
	var errs []error
	if w.conn != nil {
		if len(s.pendingRejected()) > 0 {
			s.commit(nil)
		}
		for _, stmt := range w.stmts { // an open one would keep the WAL file from being removed
			errs = append(errs, stmt.Close())
		}
		errs = append(errs, w.conn.Close())
	}
	for _, db := range []*sql.DB{s.read, w.db} {
		if db != nil && !w.closed {
			errs = append(errs, db.Close())
		}
	}
	w.conn, w.stmts, w.closed = nil, nil, true
	return errors.Join(errs...)
}

// Tenant returns the door to one tenant's data. A tenant that nobody wrote to is empty.
func (s *Store) Tenant(name string) *Tenant { return &Tenant{s, name} }

// Tenants returns the names of all tenants that wrote, in alphabetical order.
func (s *Store) Tenants(ctx context.Context) ([]string, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT name FROM tenant ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("list tenants: %w", err)
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// Tenant is one tenant's part of a Store. No call through it sees or changes another tenant's data.
type Tenant struct {
	store *Store
	name  string
}

package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/filelock"
	"github.com/rediverio/sdk/pkg/event"
)

// StoreConfig says where a Store lies. Path is required; any other zero field means its default.
type StoreConfig struct {
	Path string // the SQLite file; its directory is made with mode 0700, the file has 0600

	// ReadOnly opens an existing store for questions alone, also while another process serves it.
	ReadOnly bool

	// IncompleteAge is how long a report may stay without a new part before its parts are forgotten; they are
	// taken again when they come again. Default DefaultIncompleteAge, -1 for ever.
	IncompleteAge time.Duration

	// MaxBytes is the most that the SQLite file may take; past it, parts are refused until there is room. Its WAL
	// comes on top. Default and -1: no limit but the disk's.
	MaxBytes int64

	Sink event.Sink // is told when a damaged store was set aside; nil: nobody
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
	if c.MaxBytes != 0 && c.MaxBytes != -1 && c.MaxBytes < minStoreBytes {
		errs = append(errs, fmt.Errorf("max_bytes: %d is under %d and not -1", c.MaxBytes, minStoreBytes))
	}
	return errors.Join(errs...)
}

// minStoreBytes is what a store needs to hold anything.
const minStoreBytes = 1 << 20

// Store keeps what a handler takes, in one SQLite file. It has no goroutine: whoever writes commits for all that
// wait with it. All methods may be called concurrently. Data is reached through Tenant alone.
type Store struct {
	cfg  StoreConfig
	read *sql.DB
	now  func() time.Time

	queue struct {
		sync.Mutex
		ops fair[*op]
	}
	lead     chan struct{} // held by the one write that commits for those that wait
	rejected struct {
		sync.Mutex
		n map[string]int64 // by tenant, not yet in the database
	}
	writer struct { // the one that holds it commits; taken before queue and rejected
		sync.Mutex
		lock   *filelock.Lock // of the file, against a second process
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
	s := &Store{cfg: cfg, now: time.Now, lead: make(chan struct{}, 1)}
	s.rejected.n = map[string]int64{}
	if err := s.open(context.Background()); err != nil {
		_ = s.Close() // the first error is the one to tell
		return nil, err
	}
	return s, nil
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
	return errors.Join(append(errs, w.lock.Release())...)
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

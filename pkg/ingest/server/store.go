package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/internal/filelock"
	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/event"
)

// StoreConfig describes a Store. Path is required; any other zero field means its default.
type StoreConfig struct {
	// Path is the SQLite file. It is created with mode 0600, in a directory of mode 0700, if there is none.
	Path string

	// ReadOnly opens an existing store for queries alone, also while another process serves it.
	ReadOnly bool

	// IncompleteAge is how long a report may remain without a new part before its parts are deleted; they are accepted
	// again when they are sent again. Defaults to DefaultIncompleteAge; -1 keeps them forever.
	IncompleteAge time.Duration

	// MaxBytes is the maximum size of the SQLite file in bytes, at least 1 MiB. A full store refuses parts until it is
	// opened with a higher limit. The write-ahead log takes up to 16 MiB more. Zero and -1 mean no limit.
	MaxBytes int64

	// Sink records faults of the database and the replacement of a damaged one. May be nil.
	Sink event.Sink
}

// DefaultIncompleteAge is the default of StoreConfig.IncompleteAge.
const DefaultIncompleteAge = 7 * 24 * time.Hour

// minStoreBytes is the size of a store that can hold anything.
const minStoreBytes = 1 << 20

// Validate returns every problem of the configuration in one error.
func (c StoreConfig) Validate() error {
	v := config.New("ingest")
	if c.Path == "" {
		v.Addf("path", "is empty")
	}
	config.RangeOrOff(v, "incomplete_age", c.IncompleteAge, 0, math.MaxInt64)
	if c.MaxBytes != 0 {
		config.RangeOrOff(v, "max_bytes", c.MaxBytes, minStoreBytes, math.MaxInt64)
	}
	return v.Err()
}

// The errors of writes to a Store. Test for them with errors.Is.
var (
	// ErrStoreClosed is returned by every write after Close.
	ErrStoreClosed = sqlitedb.ErrClosed

	// ErrReadOnly is returned by every write to a store that was opened with StoreConfig.ReadOnly.
	ErrReadOnly = sqlitedb.ErrReadOnly
)

// LockedError is returned by OpenStore if another process has the store open for writing.
type LockedError = filelock.HeldError

// SchemaError is returned by OpenStore if a newer version of this package wrote the store.
type SchemaError = sqlitedb.SchemaError

// Store keeps what a handler accepts in one SQLite file. Writes that wait at the same time share one transaction; tenants
// take turns. All methods may be called concurrently. The data of a tenant is reached through Tenant alone.
type Store struct {
	cfg StoreConfig
	db  *sqlitedb.DB
	now func() time.Time

	mu       sync.Mutex       // guards the following
	rejected map[string]int64 // refused requests by tenant that are not in the database yet
	swept    time.Time        // when no abandoned report was left
}

// OpenStore opens the store at cfg.Path and creates it if there is none. A damaged store is renamed, which is recorded as an
// event, and a new one begins empty. OpenStore fails with a *LockedError if another process writes the store, and with a
// *SchemaError if a newer version of this package wrote it. The caller must close the Store.
func OpenStore(cfg StoreConfig) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	config.Default(&cfg.IncompleteAge, DefaultIncompleteAge)
	cfg.Sink = event.OrNop(cfg.Sink)
	s := &Store{cfg: cfg, now: time.Now, rejected: map[string]int64{}}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("ingest store: %w", err)
	}
	return s, nil
}

func (s *Store) open() (err error) {
	cfg := sqlitedb.Config{
		Path: s.cfg.Path, ReadOnly: s.cfg.ReadOnly, Migrations: migrations, Pragmas: []string{"cache_size(-8192)"}, CheckTime: 2 * time.Second,
		BeforeCommit: s.writeRejected, OnFault: s.databaseFailed,
	}
	if s.cfg.MaxBytes > 0 {
		cfg.Pragmas = append(cfg.Pragmas, fmt.Sprintf("max_page_count(%d)", s.cfg.MaxBytes/sqlitedb.PageSize))
	}
	_, noLock := os.Stat(s.cfg.Path + ".lock") // a file without one is not ours to rename, whatever it holds
	if s.db, err = sqlitedb.Open(cfg); err == nil || noLock != nil || cfg.ReadOnly || !sqlitedb.IsCorrupt(err) {
		return err
	}
	renamed := s.cfg.Path + ".corrupt-" + s.now().UTC().Format("20060102T150405.000000000")
	s.cfg.Sink.Record(event.Event{Timestamp: s.now(), Type: event.AgentError, Severity: event.Critical,
		Message: "ingest store is damaged: it is renamed and a new one begins empty", Error: err.Error(),
		Details: map[string]any{"path": s.cfg.Path, "renamed_to": renamed}})
	cfg.Prepare = func() error { return sqlitedb.Rename(s.cfg.Path, renamed) }
	s.db, err = sqlitedb.Open(cfg)
	return err
}

func (s *Store) databaseFailed(operation string, err error) {
	s.cfg.Sink.Record(event.Event{Timestamp: s.now(), Type: event.AgentError, Severity: event.Error,
		Message: "ingest store cannot be written", Error: err.Error(), Details: map[string]any{"path": s.cfg.Path, "operation": operation}})
}

// Close waits for the writes under way and closes the store. It may be called more than once.
func (s *Store) Close() error {
	var err error
	if !s.cfg.ReadOnly && !s.db.Closed() && len(s.pendingRejected()) > 0 {
		err = s.db.Do(context.Background(), sqlitedb.Change{Apply: func(*sqlitedb.Tx) error { return nil }})
	}
	return errors.Join(err, s.db.Close())
}

// Tenant returns a handle on one tenant's data. A tenant that has sent nothing has no data.
func (s *Store) Tenant(name string) *Tenant { return &Tenant{s, name} }

// Tenants returns the names of all tenants that have sent something, in alphabetical order.
func (s *Store) Tenants(ctx context.Context) ([]string, error) {
	names, err := list(ctx, s, "SELECT name FROM tenant ORDER BY name", nil, func(scan scanFunc) (name string, err error) {
		return name, scan(&name)
	})
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	return names, nil
}

// Tenant is one tenant's part of a Store. No method reads or changes the data of another tenant.
type Tenant struct {
	store *Store
	name  string
}

// scanFunc copies the columns of the current row, as sql.Rows.Scan does.
type scanFunc func(into ...any) error

// list returns the rows of a query. It is empty but not nil if there are none.
func list[T any](ctx context.Context, s *Store, query string, args []any, read func(scanFunc) (T, error)) ([]T, error) {
	rows, err := s.db.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []T{}
	for rows.Next() {
		one, err := read(rows.Scan)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, rows.Err()
}

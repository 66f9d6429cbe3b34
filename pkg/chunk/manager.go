// Package chunk keeps reports safe on disk until they are uploaded.
//
// A Manager is one SQLite file. It takes whole reports, or streams of findings through NewWriter, splits them into parts,
// and commits a report with all its parts or not at all. It implements pipeline.Spool: upload workers lease parts
// with Next and end the lease with Settle. Parts that cannot be uploaded become dead letters, which are kept and
// listed until somebody retries or drops them. What is uploaded is removed at once, what is finished after its
// retention, and the file gives its space back.
//
// All methods of Manager and Storage may be called concurrently.
package chunk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/homedir"
	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/chunk/internal/salvage"
	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
	"github.com/rediverio/sdk/pkg/part"
)

// Manager is an open chunk store.
type Manager struct {
	cfg    Config
	db     *sqlitedb.DB
	keys   *keyring
	silent bool          // no sink: events need not be made
	ready  chan struct{} // capacity 1: something may have become due

	stop      chan struct{} // ends the cleaner
	closeOnce sync.Once
	closeErr  error // of Close; read after closeOnce
	cleaner   sync.WaitGroup
	freed     chan struct{} // capacity 1: there are pages to give back
	nextMu    sync.Mutex    // one Next at a time; taken before mu
	reclaimed int64         // bytes given back to the filesystem, by the cleaner under mu

	// Used by changes alone, in the goroutine that writes.
	lastRID, lastPID int64 // row numbers given
	group            group

	mu         sync.Mutex // guards what follows; never held during I/O
	counts     part.Counts
	accounts   map[string]*account  // by tenant
	leases     map[int64]lease      // by part
	byPart     map[*part.Part]int64 // of those not being settled
	reportUses map[int64]int        // leased parts by report
	window     window
	served     int64     // the highest turn leased
	configured *Config   // cfg before SetUploadLimits; nil: not called
	removals   int64     // reports removed that were not uploaded
	lastChunk  time.Time // when the last part of a split report was leased
	duplicates int64     // reports submitted again with the same content
}

// lease is a part that was handed out. It is known by the pointer that was: two revisions of a report may have parts
// with the same key.
type lease struct {
	candidate
	part *part.Part
	size int64 // of its stored data
}

// NewManager opens the store of cfg, or of DefaultConfig when cfg is nil, and starts its two goroutines: the
// one that commits and the one that cleans up. Close ends them. cfg is copied.
//
// Reports that an earlier process left unfinished are due again; those it was still writing are removed. A
// damaged database is set aside under another name, and what can be read of it goes into a new one; an event says
// what was salvaged and what is lost. A second process
// on the same file is refused with a *LockedError, a database of a newer version with a *SchemaError, one whose key is not
// given with a *KeyError.
func NewManager(cfg *Config) (*Manager, error) {
	if cfg == nil {
		cfg = DefaultConfig()
	}
	c := cfg.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("chunk config: %w", err)
	}
	keys, err := newKeyring(c)
	if err != nil {
		return nil, fmt.Errorf("chunk store keys: %w", err)
	}
	path, err := homedir.Expand(c.DatabasePath)
	if err != nil {
		return nil, err
	}
	m, err := start(path, c, keys, cfg.Sink == nil, nil)
	if sqlitedb.IsCorrupt(err) { // damage that the check did not reach
		m, err = start(path, c, keys, cfg.Sink == nil, err)
	}
	return m, err
}

// start opens the store. A store that is damaged, or known to be because of cause, is replaced first.
func start(path string, c Config, keys *keyring, silent bool, cause error) (_ *Manager, err error) {
	m := &Manager{
		cfg: c, keys: keys, silent: silent, ready: make(chan struct{}, 1), stop: make(chan struct{}), freed: make(chan struct{}, 1),
		leases: map[int64]lease{}, accounts: map[string]*account{}, byPart: map[*part.Part]int64{}, reportUses: map[int64]int{},
	}
	files := salvage.Store{Path: path, Keys: keys, Sink: c.Sink, Reserve: sqlitedb.Reserve{Path: path + ".reserve", Size: reserveShare(c.maxBytes())}}
	m.db, err = sqlitedb.Open(sqlitedb.Config{
		Path: path, Migrations: schema.Migrations, Pragmas: []string{"auto_vacuum(2)"}, MaxWAL: walShare(c.maxBytes()), Reserve: reserveShare(c.maxBytes()),
		Prepare:   func() error { return files.Repair(cause) },
		OnBusyWAL: m.walBusy, OnFault: m.databaseFailed,
	})
	if err != nil {
		return nil, fmt.Errorf("chunk store: %w", err)
	}
	if err := m.recover(); err != nil {
		return nil, errors.Join(err, m.db.Close())
	}
	m.cleaner.Go(m.clean)
	return m, nil
}

// recover removes what an earlier process did not finish writing and counts what it left to upload.
func (m *Manager) recover() error {
	if err := m.checkKeys(context.Background()); err != nil {
		return fmt.Errorf("chunk store %s: %w", m.db.Path, err)
	}
	err := m.change(context.Background(), 0, func(t *tx) error {
		_, err := t.Exec("DELETE FROM reports WHERE state = ?", schema.ReportOpen)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove unfinished reports: %w", err)
	}
	const last = "SELECT coalesce((SELECT max(rid) FROM reports), 0), coalesce((SELECT max(pid) FROM parts), 0)"
	if err := m.db.Read.QueryRow(last).Scan(&m.lastRID, &m.lastPID); err != nil {
		return fmt.Errorf("find the last row numbers: %w", err)
	}
	if err := m.loadAccounts(context.Background()); err != nil {
		return fmt.Errorf("count stored reports: %w", err)
	}
	if m.counts.Recovered > 0 {
		m.wake()
	}
	return nil
}

// Close waits for the changes under way and closes the store; leased parts are due again at the next start.
// A second call does nothing more and returns what the first did.
func (m *Manager) Close() error {
	m.closeOnce.Do(func() {
		close(m.stop)
		m.cleaner.Wait()
		m.closeErr = m.db.Close()
	})
	return m.closeErr
}

// Ready receives when something may have become due earlier than Next said.
func (m *Manager) Ready() <-chan struct{} { return m.ready }

func (m *Manager) wake() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// MaxRetries returns how often a part is retried before it becomes a dead letter.
func (m *Manager) MaxRetries() int { return max(m.cfg.MaxRetries, 0) }

// Counts reports the store in one consistent moment, in reports of all tenants.
func (m *Manager) Counts() part.Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts
	c.InProgress = int64(len(m.reportUses))
	c.Queued = c.Submitted + c.Recovered - c.Completed - c.Failed - c.Dropped - c.InProgress
	return c
}

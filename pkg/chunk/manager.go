// Package chunk keeps reports safe on disk until they are uploaded.
//
// A Manager is one SQLite file. It takes whole reports, or streams of findings through NewWriter, splits them into parts,
// and commits a report with all its parts or not at all. It implements pipeline.Spool: upload workers lease parts with Next
// and end the lease with Settle. Parts that cannot be uploaded become dead letters, which are kept and listed until an
// operator retries or drops them. The data of a part is removed when it is uploaded and a finished report after its
// retention; free space is returned to the file system.
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
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
)

// Manager is an open chunk store.
//
//	           on disk                                     in memory
//
//	Put      reports: open ─► pending ─► completed      counts    of all tenants
//	Writer              │        │  └──► failed         accounts  of each tenant: quota, turn
//	                    ▼        ▼        (dead         window    next parts to upload, in order
//	         parts:   held ─► waiting ─► uploaded                    │ Next
//	                             │  └──► dead                        ▼
//	         blobs:   the data of each part             leases    parts handed out
//	                             ▲                                   │ Settle
//	                             └───────────────────────────────────┘
//
// The database is authoritative. NewManager rebuilds the state in memory from it, and the goroutine that writes updates both
// when a change is committed. A lease is in memory alone, because one process has the store: a part that a process had
// leased when it died is due at the next start.
type Manager struct {
	cfg    Config
	db     *sqlitedb.DB
	keys   *keyring
	events *event.Outlet
	ready  chan struct{} // capacity 1: a part may have become due

	stop      chan struct{} // closed to end the cleaner
	closeOnce sync.Once
	closeErr  error // result of Close; read after closeOnce
	cleaner   sync.WaitGroup
	freed     chan struct{} // capacity 1: there are pages to return to the file system

	nextMu sync.Mutex // serializes Next; locked before mu

	// Owned by the goroutine that writes.
	lastRID, lastPID int64 // highest row numbers used
	group            group

	// mu guards everything below. It is never held during I/O.
	mu         sync.Mutex
	uploads    uploadLimits
	counts     part.Counts
	accounts   map[string]*account  // by tenant
	leases     map[int64]lease      // by part
	byPart     map[*part.Part]int64 // leased parts that are not being settled
	reportUses map[int64]int        // number of leased parts by report
	window     window
	served     int64     // highest turn leased
	lastChunk  time.Time // when a part of a split report was last leased
	removals   int64     // reports removed before they were uploaded
	duplicates int64     // reports submitted again with the same content
	reclaimed  int64     // bytes returned to the file system
}

var _ event.SinkSetter = (*Manager)(nil)

// lease is a part that was handed out. It is identified by its pointer: two revisions of a report may have parts with the
// same key.
type lease struct {
	candidate
	part *part.Part
	size int64 // bytes of its stored data
}

// NewManager opens the store of cfg, or of DefaultConfig if cfg is nil, and starts a goroutine that commits and one that
// cleans up. Close ends them. cfg is copied.
//
// Reports that an earlier process left unfinished are due again; reports that it was still writing are removed. A damaged
// database is renamed and replaced by a new one with everything that can be read; an event states what was salvaged and
// what was lost. NewManager fails with a *LockedError if another process has the store open, with a *SchemaError if a newer
// version wrote it, and with a *KeyError if stored parts are encrypted with a key that is not given.
func NewManager(cfg *Config) (*Manager, error) {
	if cfg == nil {
		cfg = DefaultConfig()
	}
	c := cfg.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	keys, err := newKeyring(c)
	if err != nil {
		return nil, fmt.Errorf("chunk store keys: %w", err)
	}
	if c.DatabasePath, err = homedir.Expand(c.DatabasePath); err != nil {
		return nil, err
	}
	m, err := openStore(c, keys, nil)
	if sqlitedb.IsCorrupt(err) { // damage that the check did not reach
		m, err = openStore(c, keys, err)
	}
	return m, err
}

// openStore opens the store. A store that is damaged, or known to be because of cause, is replaced first.
func openStore(c Config, keys *keyring, cause error) (_ *Manager, err error) {
	m := &Manager{
		cfg: c, keys: keys, events: event.NewOutlet(c.Sink), ready: make(chan struct{}, 1), stop: make(chan struct{}), freed: make(chan struct{}, 1),
		leases: map[int64]lease{}, accounts: map[string]*account{}, byPart: map[*part.Part]int64{}, reportUses: map[int64]int{},
		uploads: uploadLimits{c.MaxConcurrentUploads, c.uploadDelay()},
	}
	reserve := sqlitedb.Reserve{Path: c.DatabasePath + ".reserve", Size: reserveShare(c.maxBytes())}
	files := salvage.Store{Path: c.DatabasePath, Keys: keys, Sink: m.events, Reserve: reserve}
	m.db, err = sqlitedb.Open(sqlitedb.Config{
		Path: c.DatabasePath, Migrations: schema.Migrations, Pragmas: []string{"auto_vacuum(2)"}, MaxWAL: walShare(c.maxBytes()), Reserve: reserve.Size,
		Prepare:   func() error { return files.Repair(cause) },
		OnBusyWAL: m.walBusy, OnFault: m.databaseFailed,
	})
	if err != nil {
		return nil, fmt.Errorf("chunk store: %w", err)
	}
	if err := m.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("chunk store %s: %w", m.db.Path, err), m.db.Close())
	}
	m.cleaner.Go(m.clean)
	return m, nil
}

// recover removes what an earlier process did not finish writing and counts what it left to upload.
func (m *Manager) recover() error {
	if err := m.checkKeys(context.Background()); err != nil {
		return err
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

// Close waits for the changes under way and closes the store. Leased parts are due again at the next start. Close may be
// called more than once and returns what the first call returned.
func (m *Manager) Close() error {
	m.closeOnce.Do(func() {
		close(m.stop)
		m.cleaner.Wait()
		m.closeErr = m.db.Close()
	})
	return m.closeErr
}

// SetDefaultSink implements event.SinkSetter: it makes s the Sink of a Manager that was opened without one.
func (m *Manager) SetDefaultSink(s event.Sink) { m.events.SetDefaultSink(s) }

// Ready returns a channel that receives when a part may have become due earlier than Next announced.
func (m *Manager) Ready() <-chan struct{} { return m.ready }

func (m *Manager) wake() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// Counts returns the numbers of the store at one moment, in reports of all tenants.
func (m *Manager) Counts() part.Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts
	c.InProgress = int64(len(m.reportUses))
	c.Queued = c.Submitted + c.Recovered - c.Completed - c.Failed - c.Dropped - c.InProgress
	return c
}

package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/ingest"
)

const selectStats = `SELECT name, reports, (SELECT count(*) FROM report r WHERE r.completed = 0 AND r.tenant = t.id),
	parts, findings, duplicates, repeated_parts, rejected, assets, dependencies, bytes, raw_bytes FROM tenant t`

// Stats returns the tenant's numbers.
func (t *Tenant) Stats(ctx context.Context) (*ingest.Stats, error) {
	s := ingest.Stats{}
	err := t.store.db.Row(ctx, selectStats+" WHERE name = ?", []any{t.name}, columns(&s)...)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("stats: %w", err)
	}
	s.Tenant = t.name
	s.Rejected += t.store.pendingRejected()[t.name]
	return &s, nil
}

// Stats returns the sums over all tenants, and the numbers of each.
func (s *Store) Stats(ctx context.Context) (*ingest.Stats, error) {
	all, err := list(ctx, s, selectStats, nil, func(scan scanFunc) (one ingest.Stats, err error) {
		return one, scan(columns(&one)...)
	})
	if err != nil {
		return nil, fmt.Errorf("stats: %w", err)
	}
	sum := &ingest.Stats{Tenants: map[string]ingest.Stats{}}
	for _, one := range all {
		sum.Tenants[one.Tenant] = one
	}
	for name, n := range s.pendingRejected() {
		one := sum.Tenants[name]
		one.Tenant, one.Rejected = name, one.Rejected+n
		sum.Tenants[name] = one
	}
	for _, one := range sum.Tenants {
		from := counters(&one)
		for i, n := range counters(sum) {
			*n += *from[i]
		}
	}
	return sum, nil
}

// counters returns the numbers of s in the order of selectStats.
func counters(s *ingest.Stats) []*int64 {
	return []*int64{&s.Reports, &s.Incomplete, &s.Parts, &s.Findings, &s.Duplicates, &s.Repeated, &s.Rejected,
		&s.Assets, &s.Dependencies, &s.Bytes, &s.RawBytes}
}

// columns returns where a row of selectStats is stored.
func columns(s *ingest.Stats) []any {
	into := []any{&s.Tenant}
	for _, n := range counters(s) {
		into = append(into, n)
	}
	return into
}

// reject counts a refused request. The number is written with a later write, so that invalid requests cannot cause writes.
func (t *Tenant) reject() {
	s := t.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejected[t.name]++
}

func (s *Store) pendingRejected() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.rejected)
}

// writeRejected adds the numbers of reject to every transaction.
func (s *Store) writeRejected(inner *sqlitedb.Tx) error {
	counts := s.pendingRejected()
	t := &tx{Tx: inner}
	for name, n := range counts {
		id, err := t.tenantID(name)
		if err != nil {
			return err
		}
		if err := t.exec("UPDATE tenant SET rejected = rejected + ? WHERE id = ?", n, id); err != nil {
			return err
		}
	}
	if len(counts) > 0 {
		inner.AfterCommit(func() { s.forgetRejected(counts) })
	}
	return nil
}

func (s *Store) forgetRejected(counts map[string]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, n := range counts {
		if s.rejected[name] -= n; s.rejected[name] == 0 {
			delete(s.rejected, name)
		}
	}
}

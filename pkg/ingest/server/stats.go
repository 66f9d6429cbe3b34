package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/rediverio/sdk/pkg/ingest"
)

const selectStats = `SELECT name, reports, (SELECT count(*) FROM report r WHERE r.completed = 0 AND r.tenant = t.id),
	parts, findings, duplicates, repeated_parts, rejected, assets, dependencies, bytes, raw_bytes FROM tenant t`

// Stats returns the tenant's numbers.
func (t *Tenant) Stats(ctx context.Context) (*ingest.Stats, error) {
	s := &ingest.Stats{}
	err := scanStats(s, t.store.read.QueryRowContext(ctx, selectStats+" WHERE name = ?", t.name).Scan)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("stats: %w", err)
	}
	s.Tenant = t.name
	s.Rejected += t.store.pendingRejected()[t.name]
	return s, nil
}

// Stats returns the sums over all tenants, and the numbers of each.
func (s *Store) Stats(ctx context.Context) (*ingest.Stats, error) {
	rows, err := s.read.QueryContext(ctx, selectStats)
	if err != nil {
		return nil, fmt.Errorf("stats: %w", err)
	}
	defer rows.Close()
	sum := &ingest.Stats{Tenants: map[string]ingest.Stats{}}
	for rows.Next() {
		var one ingest.Stats
		if err := scanStats(&one, rows.Scan); err != nil {
			return nil, fmt.Errorf("stats: %w", err)
		}
		sum.Tenants[one.Tenant] = one
	}
	for name, n := range s.pendingRejected() {
		one := sum.Tenants[name]
		one.Tenant, one.Rejected = name, one.Rejected+n
		sum.Tenants[name] = one
	}
	for _, one := range sum.Tenants {
		addStats(sum, &one)
	}
	return sum, rows.Err()
}

func counters(s *ingest.Stats) []*int64 {
	return []*int64{&s.Reports, &s.Incomplete, &s.Parts, &s.Findings, &s.Duplicates, &s.Repeated, &s.Rejected,
		&s.Assets, &s.Dependencies, &s.Bytes, &s.RawBytes}
}

func scanStats(s *ingest.Stats, scan func(...any) error) error {
	into := []any{&s.Tenant}
	for _, f := range counters(s) {
		into = append(into, f)
	}
	return scan(into...)
}

func addStats(s, o *ingest.Stats) {
	from := counters(o)
	for i, f := range counters(s) {
		*f += *from[i]
	}
}

// reject counts a refused request. The number goes to disk with a later write, so that nobody can make the store
// write by sending rubbish.
func (t *Tenant) reject() {
	r := &t.store.rejected
	r.Lock()
	defer r.Unlock()
	r.n[t.name]++
}

func (s *Store) pendingRejected() map[string]int64 {
	r := &s.rejected
	r.Lock()
	defer r.Unlock()
	out := make(map[string]int64, len(r.n))
	for name, n := range r.n {
		out[name] = n
	}
	return out
}

// flushRejected writes the counts of reject; the caller holds the writer. It returns what it wrote, to be
// forgotten when that is committed.
func (t *tx) flushRejected() (counts map[string]int64, err error) {
	counts = t.s.pendingRejected()
	for name, n := range counts {
		id, err := t.tenantID(name)
		if err != nil {
			return nil, err
		}
		if err := t.exec("UPDATE tenant SET rejected = rejected + ? WHERE id = ?", n, id); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

func (s *Store) forgetRejected(counts map[string]int64) {
	s.rejected.Lock()
	defer s.rejected.Unlock()
	for name, n := range counts {
		if s.rejected.n[name] -= n; s.rejected.n[name] == 0 {
			delete(s.rejected.n, name)
		}
	}
}

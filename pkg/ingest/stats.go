package ingest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Stats are the receiver's numbers since its store was made, of one tenant or summed over all.
type Stats struct {
	Tenant       string `json:"tenant,omitempty"` // empty in a sum
	Reports      int64  `json:"reports"`          // complete, counting each revision
	Incomplete   int64  `json:"incomplete"`       // reports that wait for parts now
	Parts        int64  `json:"parts"`            // stored, each once
	Findings     int64  `json:"findings"`         // distinct and visible
	Duplicates   int64  `json:"duplicates"`       // findings seen again by a later report
	Repeated     int64  `json:"repeated_parts"`   // parts resent, and answered from memory
	Rejected     int64  `json:"rejected"`         // requests refused for what they held
	Assets       int64  `json:"assets"`           // distinct
	Dependencies int64  `json:"dependencies"`     // distinct
	Bytes        int64  `json:"bytes"`            // of stored parts, as they travelled
	RawBytes     int64  `json:"raw_bytes"`        // of stored parts, decompressed

	Tenants map[string]Stats `json:"tenants,omitempty"` // in a sum: of each tenant
}

const selectStats = `SELECT name, reports, (SELECT count(*) FROM report r WHERE r.completed = 0 AND r.tenant = t.id),
	parts, findings, duplicates, repeated_parts, rejected, assets, dependencies, bytes, raw_bytes FROM tenant t`

// Stats returns the tenant's numbers.
func (t *Tenant) Stats(ctx context.Context) (*Stats, error) {
	s := &Stats{}
	err := s.scan(t.store.read.QueryRowContext(ctx, selectStats+" WHERE name = ?", t.name).Scan)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("stats: %w", err)
	}
	s.Tenant = t.name
	s.Rejected += t.store.pendingRejected()[t.name]
	return s, nil
}

// Stats returns the sums over all tenants, and the numbers of each.
func (s *Store) Stats(ctx context.Context) (*Stats, error) {
	rows, err := s.read.QueryContext(ctx, selectStats)
	if err != nil {
		return nil, fmt.Errorf("stats: %w", err)
	}
	defer rows.Close()
	sum := &Stats{Tenants: map[string]Stats{}}
	for rows.Next() {
		var one Stats
		if err := one.scan(rows.Scan); err != nil {
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
		sum.add(&one)
	}
	return sum, rows.Err()
}

func (s *Stats) fields() []*int64 {
	return []*int64{&s.Reports, &s.Incomplete, &s.Parts, &s.Findings, &s.Duplicates, &s.Repeated, &s.Rejected,
		&s.Assets, &s.Dependencies, &s.Bytes, &s.RawBytes}
}

func (s *Stats) scan(scan func(...any) error) error {
	into := []any{&s.Tenant}
	for _, f := range s.fields() {
		into = append(into, f)
	}
	return scan(into...)
}

func (s *Stats) add(o *Stats) {
	from := o.fields()
	for i, f := range s.fields() {
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

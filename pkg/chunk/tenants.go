package chunk

import (
	"context"
	"fmt"

	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
)

// account is what one tenant has in the store that nobody else has yet.
type account struct {
	reports int64         // pending
	bytes   int64         // stored, of parts that wait or are dead letters
	turns   map[int]int64 // of its next part, by priority
}

// Usage is what a tenant has in the store, and what it may have.
type Usage struct {
	Reports    int64 `json:"reports"`     // not yet uploaded
	Bytes      int64 `json:"bytes"`       // stored bytes of parts that wait or are dead letters
	MaxReports int64 `json:"max_reports"` // Config.MaxTenantReports; 0: unlimited
	MaxBytes   int64 `json:"max_bytes"`   // Config.MaxTenantMB in bytes; 0: unlimited
}

// Usage returns what the tenant has in the store, and its quota.
func (s *Storage) Usage() Usage {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	u := Usage{MaxReports: int64(s.m.cfg.MaxTenantReports), MaxBytes: s.m.cfg.maxTenantBytes()}
	if a := s.m.accounts[s.tenant]; a != nil {
		u.Reports, u.Bytes = a.reports, a.bytes
	}
	return u
}

// accountLocked returns a tenant's account, a new one where it has none.
func (m *Manager) accountLocked(tenant string) *account {
	a := m.accounts[tenant]
	if a == nil {
		a = &account{turns: map[int]int64{}}
		m.accounts[tenant] = a
	}
	return a
}

// bookLocked changes a tenant's account, and forgets one that says nothing any more.
func (m *Manager) bookLocked(tenant string, reports, bytes int64) {
	a := m.accountLocked(tenant)
	a.reports += reports
	a.bytes += bytes
	if a.reports != 0 || a.bytes != 0 {
		return
	}
	for _, turn := range a.turns {
		if turn > m.served+1 {
			return
		}
	}
	delete(m.accounts, tenant)
}

// takeTurns gives the next n parts of a tenant at a priority their places in the upload order and returns the first. A turn is a
// time that advances by one with each part that is leased, as in start-time fair queueing: a tenant that had nothing to
// send starts at the present one, and one with a thousand parts waiting has its next one a thousand turns later. So
// tenants of the same priority share the uploads part by part, however much each of them has. A tenant's priorities are
// apart: an urgent part behind a thousand others goes first, and must not move the time on past all of them.
func (m *Manager) takeTurns(tenant string, priority, n int) (first int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.accountLocked(tenant)
	first = max(a.turns[priority], m.served)
	a.turns[priority] = first + int64(n)
	return first
}

// checkQuota refuses what would take a tenant over its quota, with what this group of changes holds already.
func (m *Manager) checkQuota(t *tx, tenant string, reports, bytes int64) error {
	maxReports, maxBytes := int64(m.cfg.MaxTenantReports), m.cfg.maxTenantBytes()
	if maxReports <= 0 && maxBytes <= 0 {
		return nil
	}
	m.mu.Lock()
	var a account
	if known := m.accounts[tenant]; known != nil {
		a = *known
	}
	m.mu.Unlock()
	for _, b := range t.group.bookings {
		if b.tenant == tenant {
			a.reports += b.reports
			a.bytes += b.bytes
		}
	}
	if maxReports > 0 && a.reports+reports > maxReports {
		return &QuotaError{Tenant: tenant, Field: "MaxTenantReports", Used: a.reports, Needed: reports, Max: maxReports}
	}
	if maxBytes > 0 && a.bytes+bytes > maxBytes {
		return &QuotaError{Tenant: tenant, Field: "MaxTenantMB", Used: a.bytes, Needed: bytes, Max: maxBytes}
	}
	t.booking = booking{tenant, reports, bytes}
	return nil
}

// loadAccounts counts what an earlier process left. What it had served is not stored: it came at least to each dead
// letter, and to the first part of each tenant and priority that was not tried yet.
func (m *Manager) loadAccounts(ctx context.Context) error {
	rows, err := m.db.Read.QueryContext(ctx, `SELECT r.tenant, p.priority, p.state, count(*), sum(p.size), max(p.turn),
			coalesce(min(p.turn) FILTER (WHERE p.attempts = 0 AND p.state = 1), max(p.turn)), count(DISTINCT p.rid)
		FROM parts p JOIN reports r ON r.rid = p.rid WHERE p.state IN (1, 3) GROUP BY r.tenant, p.priority, p.state`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var tenant string
		var priority, state int
		var parts, bytes, last, served, reports int64
		if err := rows.Scan(&tenant, &priority, &state, &parts, &bytes, &last, &served, &reports); err != nil {
			return err
		}
		a := m.accountLocked(tenant)
		a.bytes += bytes
		m.served = max(m.served, served)
		if state != schema.PartWaiting {
			continue
		}
		a.reports += reports
		a.turns[priority] = last + 1
		m.counts.Recovered += reports
		m.counts.Parts += parts
		m.counts.Bytes += bytes
	}
	return rows.Err()
}

// QuotaError refuses a report because its tenant has too much in the store; other tenants are not concerned.
// errors.Is(err, ErrStorageFull) is true for it: the report may be taken later.
type QuotaError struct {
	Tenant string
	Field  string // the limit's name in Config
	Used   int64  // reports, or bytes
	Needed int64  // more
	Max    int64
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("tenant %q has %d, %d more needed, %s allows %d", e.Tenant, e.Used, e.Needed, e.Field, e.Max)
}

// Is makes errors.Is(err, ErrStorageFull) true.
func (e *QuotaError) Is(target error) bool { return target == ErrStorageFull }

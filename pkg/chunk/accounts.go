package chunk

import (
	"context"
	"database/sql"

	"github.com/rediverio/sdk/pkg/chunk/internal/schema"
)

// account is what one tenant has stored that is not uploaded.
type account struct {
	reports int64         // pending reports
	bytes   int64         // stored bytes of parts that wait or are dead letters
	turns   map[int]int64 // turn of the tenant's next part, by priority
}

// Usage is what a tenant has stored that is not uploaded, and its quota.
type Usage struct {
	Reports    int64 `json:"reports"`     // reports not uploaded yet
	Bytes      int64 `json:"bytes"`       // stored bytes of parts that wait or are dead letters
	MaxReports int64 `json:"max_reports"` // Config.MaxTenantReports; 0: no limit
	MaxBytes   int64 `json:"max_bytes"`   // Config.MaxTenantMB in bytes; 0: no limit
}

// Usage returns what the tenant has stored and not uploaded, and its quota.
func (s *Storage) Usage() Usage {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	u := Usage{MaxReports: int64(s.m.cfg.MaxTenantReports), MaxBytes: s.m.cfg.maxTenantBytes()}
	if a := s.m.accounts[s.tenant]; a != nil {
		u.Reports, u.Bytes = a.reports, a.bytes
	}
	return u
}

// accountLocked returns a tenant's account, a new one if it has none.
func (m *Manager) accountLocked(tenant string) *account {
	a := m.accounts[tenant]
	if a == nil {
		a = &account{turns: map[int]int64{}}
		m.accounts[tenant] = a
	}
	return a
}

// bookLocked changes a tenant's account, and removes an account that equals a new one.
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

// takeTurns assigns turns to the next n parts of a tenant at a priority and returns the first. Among parts of the same
// priority, the part with the lowest turn is uploaded next.
//
// Turns work like the virtual time of start-time fair queueing, which advances by one with each part that is leased: a
// tenant without waiting parts starts at the current turn, and the next part of a tenant with a thousand waiting parts has
// a turn a thousand later. So tenants share the uploads part by part, however many parts each of them has. A tenant has
// a turn for each priority: an urgent part is uploaded before a thousand others, and must not advance the time past them.
func (m *Manager) takeTurns(tenant string, priority, n int) (first int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.accountLocked(tenant)
	first = max(a.turns[priority], m.served)
	a.turns[priority] = first + int64(n)
	return first
}

// checkQuota returns a *QuotaError if the change would take a tenant over its quota, together with the other changes of its
// transaction.
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

// loadAccounts counts what an earlier process left. The turn that it had reached is not stored: it was at least the turn of
// each dead letter, and of the first part of each tenant and priority that was not tried yet.
func (m *Manager) loadAccounts(ctx context.Context) error {
	return m.each(ctx, func(rows *sql.Rows) error {
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
			return nil
		}
		a.reports += reports
		a.turns[priority] = last + 1
		m.counts.Recovered += reports
		m.counts.Parts += parts
		m.counts.Bytes += bytes
		return nil
	}, `SELECT r.tenant, p.priority, p.state, count(*), sum(p.size), max(p.turn),
			coalesce(min(p.turn) FILTER (WHERE p.attempts = 0 AND p.state = 1), max(p.turn)), count(DISTINCT p.rid)
		FROM parts p JOIN reports r ON r.rid = p.rid WHERE p.state IN (1, 3) GROUP BY r.tenant, p.priority, p.state`)
}

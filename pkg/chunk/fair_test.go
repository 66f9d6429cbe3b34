package chunk

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/part"
)

// order drains m and returns whose part went at each place.
func order(t *testing.T, m *Manager) (tenants []string) {
	t.Helper()
	for _, p := range drain(t, m) {
		tenants = append(tenants, p.TenantID)
	}
	return tenants
}

func TestFloodOfOneTenantDoesNotDelayAnother(t *testing.T) {
	m := open(t, split)
	for i := range 2 * windowSize {
		submit(t, m, testReport(fmt.Sprint("flood", i), 1), part.Envelope{TenantID: "big"})
	}
	submit(t, m, testReport("three", 6), part.Envelope{TenantID: "small"})
	got := order(t, m)
	for place, last := 0, 0; place < len(got); place++ {
		if got[place] == "small" {
			last++
			if place > 2*last {
				t.Errorf("part %d of the small tenant goes at place %d", last, place)
			}
		}
	}
}

func TestTenantsShareUploadsAfterARestart(t *testing.T) {
	m := open(t, split)
	for i := range 40 {
		submit(t, m, testReport(fmt.Sprint("r", i), 1), part.Envelope{TenantID: []string{"a", "b"}[i/20]})
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := split
	cfg.DatabasePath = m.db.Path
	m = open(t, cfg)
	submit(t, m, testReport("late", 1), part.Envelope{TenantID: "c"})
	got := order(t, m)
	count := map[string]int{}
	for _, tenant := range got[:10] {
		count[tenant]++
	}
	if count["a"] < 4 || count["b"] < 4 || count["c"] != 1 {
		t.Errorf("the first ten uploads are %v", got[:10])
	}
}

func TestQuotaOfATenantStopsNoOther(t *testing.T) {
	cfg := split
	cfg.MaxTenantReports, cfg.MaxTenantMB = 3, 1
	m := open(t, cfg)
	env := part.Envelope{TenantID: "greedy"}
	for i := range 3 {
		submit(t, m, testReport(fmt.Sprint("r", i), 1), env)
	}
	var quota *QuotaError
	if _, err := m.Put(t.Context(), testReport("fourth", 1), env); !errors.As(err, &quota) || !errors.Is(err, ErrStorageFull) ||
		quota.Field != "MaxTenantReports" || quota.Used != 3 || quota.Max != 3 || quota.Tenant != "greedy" {
		t.Fatalf("%v", err)
	}
	submit(t, m, testReport("fourth", 1), part.Envelope{TenantID: "other"})
	submit(t, m, testReport("r0", 1), env) // stored already: takes nothing
	if u := m.Tenant("greedy").Usage(); u.Reports != 3 || u.MaxReports != 3 || u.Bytes <= 0 || u.MaxBytes != 1<<20 {
		t.Errorf("Usage = %+v, want Reports == 3, MaxReports == 3, Bytes > 0, MaxBytes == 1<<20", u)
	}
	drain(t, m)
	if u := m.Tenant("greedy").Usage(); u.Reports != 0 || u.Bytes != 0 {
		t.Errorf("after the drain: %+v", u)
	}

	if _, err := m.Put(t.Context(), bulky("large", 2), env); !errors.As(err, &quota) || quota.Field != "MaxTenantMB" {
		t.Fatalf("2 MiB under a quota of 1: %v", err)
	}
	if n := number(t, m, "SELECT count(*) FROM reports WHERE tenant = 'greedy' AND state < 2"); n != 0 {
		t.Errorf("%d rows of the refused report are left", n)
	}
}

// Dead letters are on disk, so they count until they are dropped.
func TestDeadLettersCountForTheQuota(t *testing.T) {
	cfg := split
	cfg.MaxTenantMB = 1
	m := open(t, cfg)
	env := part.Envelope{TenantID: "x"}
	half := testReport("half", 0)
	for i := range 3 {
		half.Findings = append(half.Findings, bulkyFinding("half", i))
	}
	submit(t, m, half, env)
	for p := next(t, m); p != nil; p = next(t, m) {
		settle(t, m, p, part.Outcome{Kind: part.Dead, Err: errors.New("refused")})
	}
	half.Metadata.ID = "second"
	var quota *QuotaError
	if _, err := m.Put(t.Context(), half, env); !errors.As(err, &quota) {
		t.Fatalf("Put = %v, want errors.As(err, &quota)", err)
	}
	if n, err := m.cleanUpAge(t.Context(), time.Now().Add(1000*time.Hour)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	submit(t, m, half, env)
	drain(t, m)
}

func TestQuotaHoldsAmongConcurrentSubmits(t *testing.T) {
	cfg := split
	cfg.MaxTenantReports = 10
	m := open(t, cfg)
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for i := range 5 {
				_, err := m.Put(t.Context(), testReport(fmt.Sprintf("r%d-%d", g, i), 1), part.Envelope{TenantID: "x"})
				if err != nil && !errors.Is(err, ErrStorageFull) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if u := m.Tenant("x").Usage(); u.Reports != 10 {
		t.Errorf("%d reports under a quota of 10", u.Reports)
	}
	drain(t, m)
}

func TestUrgentReportAfterAFloodMovesNoOtherTenantBehindIt(t *testing.T) {
	m := open(t, split)
	for i := range 60 {
		submit(t, m, testReport(fmt.Sprint("flood", i), 1), part.Envelope{TenantID: "big"})
	}
	submit(t, m, testReport("urgent", 1), part.Envelope{TenantID: "big", Priority: 9})
	p := next(t, m)
	if p.ReportID != "urgent" {
		t.Fatalf("%s goes first", p.ReportID)
	}
	settle(t, m, p, uploaded)
	submit(t, m, testReport("small", 1), part.Envelope{TenantID: "small"})
	if got := order(t, m); !slices.Contains(got[:3], "small") {
		t.Errorf("the small tenant's part is not among the first three: %v", got)
	}
}

func TestRetriedPartMovesNoTenantBehindNewOnesAfterARestart(t *testing.T) {
	m := open(t, split)
	for i := range 60 {
		submit(t, m, testReport(fmt.Sprint("big", i), 1), part.Envelope{TenantID: "big"})
	}
	for i := range 40 {
		p := next(t, m)
		o := uploaded
		switch i {
		case 0:
			o = part.Outcome{Kind: part.Retry, Due: time.Now().Add(time.Hour)}
		case 39:
			o = part.Outcome{Kind: part.Dead}
		}
		settle(t, m, p, o)
	}
	m = reopen(t, m, split)
	for i := range 30 {
		submit(t, m, testReport(fmt.Sprint("new", i), 1), part.Envelope{TenantID: "new"})
	}
	count := 0
	for _, tenant := range order(t, m)[:10] {
		if tenant == "big" {
			count++
		}
	}
	if count < 4 {
		t.Errorf("%d of the first 10 uploads after the restart are of the tenant that waited", count)
	}
}

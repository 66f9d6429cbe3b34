package chunk

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/rediverio/sdk/internal/testkit"
	"modernc.org/sqlite"
)

// fail makes every statement that the trigger condition meets fail, until the function returned is called. how is
// ABORT, by which the statement fails, or ROLLBACK, by which the whole transaction does, as on a full disk.
func fail(t *testing.T, m *Manager, on, how string) (heal func()) {
	t.Helper()
	execute(t, m, fmt.Sprintf("CREATE TEMP TRIGGER fault %s BEGIN SELECT RAISE(%s, 'injected fault'); END", strings.Replace(on, " ON ", " ON main.", 1), how))
	return func() { execute(t, m, "DROP TRIGGER temp.fault") }
}

func injected(err error) bool { return err != nil && strings.Contains(err.Error(), "injected fault") }

func TestEveryStepOfASubmitMayFail(t *testing.T) {
	for _, how := range []string{"ABORT", "ROLLBACK"} {
		for _, on := range []string{
			"BEFORE INSERT ON reports", "AFTER INSERT ON reports", "BEFORE INSERT ON parts WHEN NEW.idx = 0", "AFTER INSERT ON parts WHEN NEW.idx = 2",
			"BEFORE INSERT ON blobs", "AFTER INSERT ON blobs WHEN (SELECT idx FROM parts WHERE pid = NEW.pid) = 2",
			"BEFORE UPDATE ON reports", "AFTER UPDATE ON reports", "BEFORE UPDATE ON parts", "AFTER UPDATE ON parts",
		} {
			t.Run(how+" "+on, func(t *testing.T) {
				m := open(t, split)
				submit(t, m, testReport("earlier", 4))
				submit(t, m, testReport("r", 1)) // so that what follows is a revision, which takes the long way
				heal := fail(t, m, on, how)
				for range 2 {
					if _, err := m.SubmitReport(t.Context(), testReport("r", 6)); !injected(err) {
						t.Fatalf("SubmitReport = %v, want injected(err)", err)
					}
					if _, err := m.SubmitReport(t.Context(), testReport("new", 6)); strings.Contains(on, "INSERT") && !injected(err) {
						t.Fatalf("a report of a new ID: %v", err)
					}
				}
				checkStore(t, m)
				heal()
				submit(t, m, testReport("r", 6))
				submit(t, m, testReport("new", 6))
				if got := titles(t, drain(t, m)); len(got) != 16 {
					t.Fatalf("%d of 16 findings uploaded", len(got))
				}
			})
		}
	}
}

func TestEveryStepOfASettleMayFail(t *testing.T) {
	for _, how := range []string{"ABORT", "ROLLBACK"} {
		for _, on := range []string{
			"BEFORE UPDATE ON parts", "AFTER UPDATE ON parts", "BEFORE DELETE ON blobs", "AFTER DELETE ON blobs",
			"BEFORE UPDATE ON reports", "AFTER UPDATE ON reports WHEN NEW.finished > 0", "BEFORE DELETE ON parts",
		} {
			cfg := split
			cfg.CleanupOnReportComplete = !strings.Contains(on, "UPDATE ON parts") // which goes without
			t.Run(how+" "+on, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := open(t, cfg)
					submit(t, m, testReport("r", 2))
					p := next(t, m)
					heal := fail(t, m, on, how)
					if _, err := m.Settle(t.Context(), p, uploaded); !injected(err) {
						t.Fatalf("Settle = %v, want injected(err)", err)
					}
					if c := m.Counts(); c.Completed != 0 || c.Queued != 1 || c.Parts != 1 {
						t.Fatalf("Counts = %+v, want Completed == 0, Queued == 1, Parts == 1", c)
					}
					heal()
					if parts := drain(t, m); len(parts) != 1 || parts[0].Attempt != 1 {
						t.Fatalf("%d parts", len(parts))
					}
				})
			})
		}
	}
}

// Changes that share a transaction with one that fails are made, or their callers get an error.
func TestFailedChangeSpoilsNoOther(t *testing.T) {
	for _, how := range []string{"ABORT", "ROLLBACK"} {
		m := open(t, split)
		heal := fail(t, m, "BEFORE INSERT ON reports WHEN NEW.id LIKE 'bad%'", how)
		var all sync.WaitGroup
		var mu sync.Mutex
		accepted, refused := 0, 0
		for g := range 8 {
			all.Go(func() {
				for i := range 20 {
					bad := g == 0 && i%4 == 0
					id := fmt.Sprintf("good%d-%d", g, i)
					if bad {
						id = fmt.Sprint("bad", i)
					}
					_, err := m.SubmitReport(context.Background(), testReport(id, 2))
					mu.Lock()
					if err == nil {
						accepted++
					} else {
						refused++
					}
					mu.Unlock()
					if bad && !injected(err) || how == "ABORT" && !bad && err != nil {
						t.Errorf("%s: %s: %v", how, id, err)
					}
				}
			})
		}
		all.Wait()
		heal()
		if c := m.Counts(); c.Submitted != int64(accepted) || accepted+refused != 160 || refused < 5 {
			t.Errorf("%s: %d accepted, %d refused, %+v", how, accepted, refused, c)
		}
		if parts := drain(t, m); len(parts) != accepted {
			t.Errorf("%s: %d parts uploaded of %d reports accepted", how, len(parts), accepted)
		}
	}
}

func TestConcurrentSubmitsShareTransactions(t *testing.T) {
	m := open(t, split)
	still(t, m)
	commits := 0
	err := m.change(t.Context(), 0, func(t *tx) error {
		return t.Raw(func(c any) error {
			c.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 { commits++; return 0 })
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	busy, hold := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		if err := m.change(t.Context(), 0, func(*tx) error { close(busy); <-hold; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-busy
	for i := range 64 {
		all.Go(func() { submit(t, m, testReport(fmt.Sprint("r", i), 1)) })
	}
	testkit.Eventually(t, "64 reports wait", func() bool { return m.db.Waiting() == 64 })
	close(hold)
	all.Wait()
	n := -1
	if err := m.change(t.Context(), 0, func(*tx) error { n = commits; return nil }); err != nil {
		t.Fatal(err)
	}
	if n > 3 { // the one that held the others, one for all of them
		t.Errorf("%d commits for 64 reports submitted at one time", n)
	}
	drain(t, m)
}

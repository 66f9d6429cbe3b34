package chunk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"modernc.org/sqlite"

	"github.com/rediverio/sdk/pkg/report"
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
				heal := fail(t, m, on, how)
				for range 2 {
					if _, err := m.SubmitReport(t.Context(), testReport("r", 6)); !injected(err) {
						t.Fatalf("%v", err)
					}
				}
				checkStore(t, m)
				heal()
				submit(t, m, testReport("r", 6))
				if got := titles(t, drain(t, m)); len(got) != 10 {
					t.Fatalf("%d of 10 findings uploaded", len(got))
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
			t.Run(how+" "+on, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := open(t, split)
					submit(t, m, testReport("r", 2))
					p := next(t, m)
					heal := fail(t, m, on, how)
					if _, err := m.Settle(t.Context(), p, uploaded); !injected(err) {
						t.Fatalf("%v", err)
					}
					if c := m.Counts(); c.Completed != 0 || c.Queued != 1 || c.Parts != 1 {
						t.Fatalf("%+v", c)
					}
					again, due, err := m.Next(t.Context())
					if again != nil || err != nil || time.Until(due) <= 0 {
						t.Fatalf("%v, due in %v, %v: a part whose outcome was lost comes again at once", again, time.Until(due), err)
					}
					heal()
					time.Sleep(time.Until(due))
					if parts := drain(t, m); len(parts) != 1 || parts[0].Attempt != 1 {
						t.Fatalf("%d parts", len(parts))
					}
				})
			})
		}
	}
}

// Changes that share a transaction with one that fails are made, or their callers are told.
func TestFaultOfOneSpoilsNoOther(t *testing.T) {
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

// The database may not grow: what is stored can still be uploaded and freed.
func TestFullDiskIsSaidAndEnds(t *testing.T) {
	m := open(t, Config{AutoCleanupOnUpload: true, CleanupOnReportComplete: true, MaxStorageMB: -1})
	submit(t, m, bulky("first", 1))
	pages := number(t, m, "PRAGMA page_count")
	execute(t, m, fmt.Sprintf("PRAGMA max_page_count = %d", pages+20))
	for i := range 3 {
		_, err := m.SubmitReport(t.Context(), bulky(fmt.Sprint("full", i), 1))
		if !isFull(err) {
			t.Fatalf("SQLITE_FULL expected: %v", err)
		}
	}
	checkStore(t, m)
	if got := titles(t, drain(t, m)); len(got) != 4 {
		t.Fatalf("%d of 4 findings", len(got))
	}
	submit(t, m, bulky("after", 1)) // into the pages that are free again
	drain(t, m)
}

// The disk takes no byte more until the reserve is gone: what frees space goes on, what needs space
// is refused until the reserve can be held back again.
func TestReserveOfAFullDiskIsForWhatFreesSpace(t *testing.T) {
	m := open(t, split)
	still(t, m)
	submit(t, m, testReport("r", 2))
	r := &m.db.reserve
	if st, err := os.Stat(r.path); err != nil || st.Size() != reserveShare(m.cfg.maxBytes()) || r.spent {
		t.Fatalf("reserve at start: %v", err)
	}
	full := fullError(t)
	tries := 0
	err := m.db.do(t.Context(), 0, func(*tx) error {
		if tries++; !r.spent {
			return full
		}
		return nil
	})
	if err != nil || tries != 3 || !r.spent {
		t.Fatalf("a deletion on a full disk: %v after %d tries, spent %v", err, tries, r.spent)
	}
	if _, err := os.Stat(r.path); !os.IsNotExist(err) {
		t.Errorf("the spent reserve is still on disk: %v", err)
	}

	if err := os.Mkdir(r.path, 0o700); err != nil { // it cannot be restored
		t.Fatal(err)
	}
	if _, err := m.SubmitReport(t.Context(), testReport("refused", 2)); err == nil {
		t.Error("a report is taken while the reserve is spent")
	}
	if parts := drain(t, m); len(parts) != 1 {
		t.Errorf("%d parts uploaded", len(parts))
	}
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	submit(t, m, testReport("taken", 2))
	if st, err := os.Stat(r.path); err != nil || st.Size() != r.size {
		t.Errorf("the reserve is not restored: %v", err)
	}
	drain(t, m)

	err = m.db.do(t.Context(), 1, func(*tx) error { return full })
	if !isFull(err) || r.spent {
		t.Errorf("what needs space got the reserve: %v", err)
	}
}

// fullError returns the error of a database that may not grow.
func fullError(t *testing.T) error {
	t.Helper()
	d, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.SetMaxOpenConns(1)
	_, err = d.Exec("CREATE TABLE t (b); PRAGMA max_page_count = 2; INSERT INTO t VALUES (zeroblob(100000))")
	if !isFull(err) {
		t.Fatal(err)
	}
	return err
}

func TestConcurrentSubmitsShareTransactions(t *testing.T) {
	m := open(t, split)
	still(t, m)
	commits := 0
	err := m.db.conn.Raw(func(c any) error {
		c.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 { commits++; return 0 })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	busy, hold := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		if err := m.db.do(t.Context(), 0, func(*tx) error { close(busy); <-hold; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-busy
	for i := range 64 {
		all.Go(func() { submit(t, m, testReport(fmt.Sprint("r", i), 1)) })
	}
	eventually(t, "64 reports wait", func() bool { return len(m.db.ops) == 64 })
	close(hold)
	all.Wait()
	n := -1
	if err := m.db.do(t.Context(), 0, func(*tx) error { n = commits; return nil }); err != nil {
		t.Fatal(err)
	}
	if n > 3 { // the one that held the others, one for all of them
		t.Errorf("%d commits for 64 reports submitted at one time", n)
	}
	drain(t, m)
}

// Submitters, uploaders, droppers and retriers at once: the counts hold at every moment and agree with the file.
func TestCountsHoldUnderStress(t *testing.T) {
	cfg := split
	cfg.MaxConcurrentUploads = 6
	m := open(t, cfg)
	ctx := t.Context()
	const submitters, each = 4, 60
	var submitting, rest sync.WaitGroup
	stop := make(chan struct{})
	for g := range submitters {
		submitting.Go(func() {
			for i := range each {
				submit(t, m, testReport(fmt.Sprintf("r%d-%d", g, i%40), 1+i%7), report.Envelope{Priority: i % 3, TenantID: fmt.Sprint("t", g%2)})
			}
		})
	}
	background := func(f func(n int)) {
		rest.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					f(n)
				}
			}
		})
	}
	expected := func(err error) {
		if err != nil && !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	}
	for g := range 3 {
		background(func(n int) {
			p, _, err := m.Next(ctx)
			expected(err)
			if p == nil {
				time.Sleep(time.Millisecond)
				return
			}
			kind := []report.OutcomeKind{report.Uploaded, report.Uploaded, report.Uploaded, report.Retry, report.Dead, report.Released}[(n+g)%6]
			prog, err := m.Settle(ctx, p, report.Outcome{Kind: kind, Due: time.Now(), Err: errors.New("stress")})
			expected(err)
			if prog.Done+prog.Dead > prog.Total {
				t.Errorf("%+v", prog)
			}
		})
	}
	background(func(n int) {
		s := m.Tenant(fmt.Sprint("t", n%2))
		id := fmt.Sprintf("r%d-%d", n%submitters, n%40)
		if n%3 == 0 {
			_, err := s.Drop(ctx, id)
			expected(err)
		} else {
			_, err := s.RetryDead(ctx, id)
			expected(err)
		}
	})
	background(func(int) {
		if c := m.Counts(); c.Submitted+c.Recovered != c.Completed+c.Failed+c.Dropped+c.InProgress+c.Queued ||
			slices.Min([]int64{c.Submitted, c.Recovered, c.Completed, c.Failed, c.Dropped, c.InProgress, c.Queued, c.Parts, c.Bytes}) < 0 || c.InProgress > 6 {
			t.Errorf("%+v", c)
		}
		time.Sleep(100 * time.Microsecond)
	})
	submitting.Wait()
	close(stop)
	rest.Wait()
	checkStore(t, m)
	drain(t, m)
	if c := m.Counts(); c.Queued+c.InProgress+c.Parts+c.Bytes != 0 {
		t.Errorf("after the drain: %+v", c)
	}
}

package server

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"modernc.org/sqlite"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/part"
)

// onCommit makes every commit from now on call hook, and fail if it returns 1.
func onCommit(t testing.TB, s *Store, hook func() int32) {
	t.Helper()
	err := s.Tenant("").write(0, func(tx *tx) error {
		return tx.Raw(func(c any) error { c.(sqlite.HookRegisterer).RegisterCommitHook(hook); return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
}

// execute runs a statement on the connection that writes.
func execute(t testing.TB, s *Store, text string) {
	t.Helper()
	if err := s.Tenant("").write(0, func(tx *tx) error { return tx.exec(text) }); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// fail makes every statement fail that fires a trigger. how is ABORT, which fails the statement, or ROLLBACK, which rolls back the
// whole transaction, as a full disk does.
func fail(t testing.TB, s *Store, on, how string) (heal func()) {
	t.Helper()
	execute(t, s, fmt.Sprintf("CREATE TEMP TRIGGER fault %s BEGIN SELECT RAISE(%s, 'injected fault'); END", strings.Replace(on, " ON ", " ON main.", 1), how))
	return func() { execute(t, s, "DROP TRIGGER temp.fault") }
}

// steps are the triggers that fire while a part is stored and its report completed.
var steps = []string{
	"BEFORE INSERT ON tenant", "BEFORE INSERT ON report", "AFTER INSERT ON report", "BEFORE INSERT ON content", "AFTER INSERT ON content WHEN NEW.line = 70",
	"BEFORE INSERT ON staged_item", "AFTER INSERT ON staged_item", "BEFORE INSERT ON part", "AFTER INSERT ON part WHEN NEW.idx = 1",
	"BEFORE UPDATE ON report", "AFTER UPDATE ON report WHEN NEW.completed > 0", "BEFORE INSERT ON finding", "AFTER INSERT ON finding WHEN NEW.content = 70",
	"BEFORE INSERT ON item", "AFTER DELETE ON staged_item", "BEFORE UPDATE ON part", "AFTER UPDATE ON part WHEN NEW.idx = 1", "BEFORE UPDATE ON tenant",
	"BEFORE UPDATE ON finding", "AFTER UPDATE ON finding", "BEFORE DELETE ON content", "AFTER DELETE ON content",
}

// Whichever step fails, the sender gets an error, no part of the report is visible, and sending it again stores all of it once.
func TestEveryStepOfAPartMayFail(t *testing.T) {
	for _, how := range []string{"ABORT", "ROLLBACK"} {
		for _, on := range steps {
			t.Run(how+" "+on, func(t *testing.T) {
				s := newStore(t)
				first := sample("first", 20)
				first.Findings[3].Message = "unchanged"
				if on != steps[0] {
					mustPut(t, s, "a", split(t, first, 100)[0])
				}
				before := findings(t, s.Tenant("a"), ingest.Query{})
				parts := split(t, sample("r", 80), 40)
				heal := fail(t, s, on, how)
				failed := 0
				for _, p := range parts {
					for range 2 {
						if _, err := put(t, s, "a", p); errors.As(err, new(*storeError)) && strings.Contains(err.Error(), "injected") {
							failed++
						} else if err != nil {
							t.Fatal(err)
						}
					}
				}
				if failed == 0 {
					t.Fatal("the fault was not met")
				}
				after := findings(t, s.Tenant("a"), ingest.Query{})
				if fmt.Sprint(after) != fmt.Sprint(before) {
					t.Fatalf("%d findings visible, want the %d of before", len(after), len(before))
				}
				heal()
				for _, p := range parts {
					mustPut(t, s, "a", p)
				}
				if n, c := len(findings(t, s.Tenant("a"), ingest.Query{})), count(t, s, "content"); n != 80 || c != 80 {
					t.Errorf("%d findings, %d contents, want 80", n, c)
				}
				if st, err := s.Tenant("a").Stats(t.Context()); err != nil || st.Incomplete != 0 || st.Findings != 80 {
					t.Errorf("stats %+v, %v", st, err)
				}
			})
		}
	}
}

// Whichever commit fails, no accepted part is lost and no part is stored twice.
func TestEveryCommitMayFail(t *testing.T) {
	parts := split(t, sample("r", 60), 10)
	for n := range parts {
		s := newStore(t)
		s.cfg.IncompleteAge = -1 // a sweep would be one of the commits
		commits := -1            // the first one registers the hook
		onCommit(t, s, func() int32 {
			if commits++; commits == n+1 {
				return 1
			}
			return 0
		})
		failed := 0
		for _, p := range parts {
			for {
				_, err := put(t, s, "a", p)
				if err == nil {
					break
				}
				if failed++; failed > 1 {
					t.Fatal(err)
				}
			}
		}
		if got := len(findings(t, s.Tenant("a"), ingest.Query{})); got != 60 || failed != 1 {
			t.Errorf("commit %d: %d findings, %d failed", n, got, failed)
		}
	}
}

// Writes that share a transaction with one that fails are made.
func TestFaultOfOnePartSpoilsNoOther(t *testing.T) {
	for _, how := range []string{"ABORT", "ROLLBACK"} {
		s := newStore(t)
		heal := fail(t, s, "BEFORE INSERT ON report WHEN NEW.report_id LIKE 'bad%'", how)
		var wg sync.WaitGroup
		for g := range 8 {
			var parts []*part.Part
			for i := range 20 {
				id := fmt.Sprintf("good-%d-%d", g, i)
				if g == 0 && i%4 == 0 {
					id = fmt.Sprint("bad-", i)
				}
				parts = append(parts, split(t, sample(id, 2), 10)[0])
			}
			wg.Go(func() {
				for _, p := range parts {
					if _, err := put(t, s, fmt.Sprint("tenant", g), p); (err != nil) != strings.HasPrefix(p.ReportID, "bad") {
						t.Errorf("%s: %s: %v", how, p.ReportID, err)
					}
				}
			})
		}
		wg.Wait()
		heal()
		if st, err := s.Stats(t.Context()); err != nil || st.Reports != 155 || st.Parts != 155 {
			t.Errorf("%s: %+v, %v", how, st, err)
		}
	}
}

// A write that panics affects no other write.
func TestPanicOfOneWriteStopsNoOther(t *testing.T) {
	s := newStore(t)
	hold, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() { _ = recover() }()
		_ = s.Tenant("a").write(0, func(*tx) error { close(held); <-hold; panic("a bug") })
	})
	<-held
	for i := range 4 {
		p := split(t, sample(fmt.Sprint("r", i), 2), 10)[0]
		wg.Go(func() { mustPut(t, s, "b", p) })
	}
	close(hold)
	wg.Wait()
	if st, err := s.Stats(t.Context()); err != nil || st.Parts != 4 {
		t.Errorf("%+v, %v", st, err)
	}
}

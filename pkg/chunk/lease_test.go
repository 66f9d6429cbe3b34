package chunk

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/part"
)

func TestLeaseEndsOnce(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("r", 4))
	p := next(t, m)
	if prog := settle(t, m, p, uploaded); prog.Finished || prog.Done != 1 || prog.Total != 2 {
		t.Fatalf("Settle = %+v, want not Finished, Done == 1, Total == 2", prog)
	}
	if _, err := m.Settle(t.Context(), p, uploaded); !errors.Is(err, ErrNotFound) {
		t.Errorf("settled twice: %v", err)
	}
	if _, err := m.Settle(t.Context(), &part.Part{Key: "never.leased.0"}, uploaded); !errors.Is(err, ErrNotFound) {
		t.Errorf("never leased: %v", err)
	}
	if prog := settle(t, m, next(t, m), uploaded); !prog.Finished {
		t.Fatalf("Settle = %+v, want Finished", prog)
	}
}

func TestConcurrentSettlesOfOnePartCountOnce(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("r", 4))
	p, other := next(t, m), next(t, m)
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() {
			_, err := m.Settle(t.Context(), p, part.Outcome{Kind: part.Retry, Due: time.Now()})
			errs <- err
		}()
	}
	done := 0
	for range cap(errs) {
		if err := <-errs; err == nil {
			done++
		} else if !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	}
	if c := m.Counts(); done != 1 || c.InProgress != 1 {
		t.Fatalf("%d settlements succeeded, %+v with one part still leased", done, c)
	}
	settle(t, m, other, uploaded)
	if p := next(t, m); p == nil || p.Attempt != 2 {
		t.Fatalf("put back once, next attempt is %+v", p)
	} else {
		settle(t, m, p, uploaded)
	}
}

func TestUploadOfADroppedReportSettlesIntoNotFound(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("r", 4))
	p := next(t, m)
	if n, err := m.Storage().Drop(t.Context(), "r"); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if _, err := m.Settle(t.Context(), p, uploaded); !errors.Is(err, ErrNotFound) {
		t.Errorf("Settle = %v, want errors.Is(err, ErrNotFound)", err)
	}
	if c := m.Counts(); c.Dropped != 1 || c.InProgress != 0 || c.Parts != 0 {
		t.Fatalf("Counts = %+v, want Dropped == 1, InProgress == 0, Parts == 0", c)
	}
}

// SQLite gives the row numbers of removed rows to new ones. An outcome that is late must not end another part.
func TestLateOutcomeDoesNotTouchANewReport(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("old", 1))
	p := next(t, m)
	still(t, m)

	hold := make(chan struct{})
	errs := make(chan error, 4)
	queue := func(n int, f func() error) { // the n-th change waits behind the first
		go func() { errs <- f() }()
		testkit.Eventually(t, "change is queued", func() bool { return m.db.Waiting() == n })
	}
	busy := make(chan struct{})
	go func() {
		errs <- m.change(t.Context(), 0, func(*tx) error { close(busy); <-hold; return nil })
	}()
	<-busy
	queue(1, func() error { _, err := m.Storage().Drop(t.Context(), "old"); return err })
	queue(2, func() error { _, err := m.SubmitReport(t.Context(), testReport("new", 1)); return err })
	queue(3, func() error {
		if _, err := m.Settle(t.Context(), p, uploaded); !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("late settle: %v", err)
		}
		return nil
	})
	close(hold)
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if c := m.Counts(); c.Completed != 0 || c.Dropped != 1 || c.Queued != 1 {
		t.Fatalf("Counts = %+v, want Completed == 0, Dropped == 1, Queued == 1", c)
	}
	if parts := drain(t, m); len(parts) != 1 || parts[0].ReportID != "new" {
		t.Fatalf("%d parts of the new report uploaded", len(parts))
	}
}

// A report is in the file a moment before it is counted. A part leased in between would make the counts negative.
func TestNoPartIsLeasedBeforeItsReportIsCounted(t *testing.T) {
	m := open(t, split)
	still(t, m)
	busy, hold, committed, count := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	errs := make(chan error, 3)
	go func() {
		errs <- m.change(t.Context(), 0, func(*tx) error { close(busy); <-hold; return nil })
	}()
	<-busy
	go func() { // what it does after the commit comes before what the report does
		errs <- m.change(t.Context(), 0, func(t *tx) error {
			t.AfterCommit(func() { close(committed); <-count })
			return nil
		})
	}()
	testkit.Eventually(t, "first change is queued", func() bool { return m.db.Waiting() == 1 })
	go func() {
		_, err := m.SubmitReport(t.Context(), testReport("r", 1))
		errs <- err
	}()
	testkit.Eventually(t, "report is queued", func() bool { return m.db.Waiting() == 2 })
	close(hold)
	<-committed

	leased := make(chan *part.Part, 1)
	go func() { leased <- next(t, m) }()
	select {
	case <-leased:
		close(count)
		t.Fatalf("a part is leased while the counts are %+v", m.Counts())
	case <-time.After(50 * time.Millisecond): // long enough for Next, were it not waiting
	}
	close(count)
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if p := <-leased; p != nil {
		settle(t, m, p, uploaded)
	}
	drain(t, m)
}

func TestReleasedPartComesAgainWithoutAnAttemptCounted(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("r", 1))
	for range 5 {
		p := next(t, m)
		if p == nil || p.Attempt != 1 {
			t.Fatalf("Next = %+v, want p != nil, Attempt == 1", p)
		}
		settle(t, m, p, part.Outcome{Kind: part.Released})
	}
	for range 5 {
		p := next(t, m)
		if p == nil || p.Attempt != 1 {
			t.Fatalf("Next = %+v, want p != nil, Attempt == 1", p)
		}
		settle(t, m, p, part.Outcome{Kind: part.Retry, Free: true, Due: time.Now()})
	}
	drain(t, m)
}

func TestRetryIsDueAtItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, split)
		submit(t, m, testReport("r", 1))
		for attempt := 1; attempt <= 3; attempt++ {
			p := next(t, m)
			if p == nil || p.Attempt != attempt {
				t.Fatalf("attempt %d: %+v", attempt, p)
			}
			due := time.Now().Add(time.Duration(attempt) * time.Minute)
			settle(t, m, p, part.Outcome{Kind: part.Retry, Due: due, Err: errors.New("not now")})
			again, at, err := m.Next(t.Context())
			if again != nil || err != nil || at.Sub(due).Abs() > time.Millisecond {
				t.Fatalf("part %v, next at %v, want %v, %v", again, at, due, err)
			}
			info := testkit.Must(m.Storage().Parts(t.Context(), "r"))
			if info[0].LastError != "not now" || info[0].NextTry == nil || info[0].Attempts != attempt {
				t.Errorf("reports = %+v, want info[0].LastError == \"not now\" and info[0].NextTry != nil and info[0].Attempts == attempt", info[0])
			}
			time.Sleep(time.Until(due))
		}
		drain(t, m)
	})
}

func TestRetryTimeSurvivesARestart(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("r", 1))
	due := time.Now().Add(time.Hour)
	settle(t, m, next(t, m), part.Outcome{Kind: part.Retry, Due: due})
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := split
	cfg.DatabasePath = m.db.Path
	m = open(t, cfg)
	if p, at, err := m.Next(t.Context()); p != nil || err != nil || at.Sub(due).Abs() > time.Millisecond {
		t.Fatalf("%v due %v, want %v, %v", p, at, due, err)
	}
}

func TestNoMorePartsAreLeasedThanConfigured(t *testing.T) {
	cfg := split
	cfg.MaxConcurrentUploads = 3
	m := open(t, cfg)
	submit(t, m, testReport("r", 20))
	leased := []*part.Part{next(t, m), next(t, m), next(t, m)}
	if p := next(t, m); p != nil || slices.Contains(leased, nil) {
		t.Fatalf("leased %v and %v", leased, p)
	}
	settle(t, m, leased[0], uploaded)
	if leased[0] = next(t, m); leased[0] == nil {
		t.Fatal("a place is free and no part comes")
	}
	for _, p := range leased {
		settle(t, m, p, uploaded)
	}
	drain(t, m)
}

func TestChunksOfASplitReportArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := split
		cfg.UploadDelayMs = 250
		m := open(t, cfg)
		submit(t, m, testReport("split", 6))
		submit(t, m, testReport("small", 1)) // one part: not paced
		first := next(t, m)
		small := next(t, m)
		if first.ReportID != "split" || small == nil || small.ReportID != "small" {
			t.Fatalf("%v then %v", first, small)
		}
		begun := time.Now()
		for _, p := range []*part.Part{first, small} {
			settle(t, m, p, uploaded)
		}
		for n := 1; n < 3; n++ {
			p, due, err := m.Next(t.Context())
			if p != nil || err != nil || due.Sub(begun) != time.Duration(n)*250*time.Millisecond {
				t.Fatalf("chunk %d: %v, due after %v, %v", n, p, due.Sub(begun), err)
			}
			time.Sleep(time.Until(due))
			settle(t, m, next(t, m), uploaded)
		}
	})
}

// A retry must not wait for the pace of chunks that have nothing to do with it.
func TestPaceDoesNotHideARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := split
		cfg.UploadDelayMs = 60_000
		m := open(t, cfg)
		submit(t, m, testReport("small", 1))
		retry := time.Now().Add(time.Second)
		settle(t, m, next(t, m), part.Outcome{Kind: part.Retry, Due: retry})
		submit(t, m, testReport("split", 6))
		settle(t, m, next(t, m), uploaded)
		if p, due, err := m.Next(t.Context()); p != nil || err != nil || due.After(retry) {
			t.Fatalf("%v, look again in %v, want 1s, %v", p, time.Until(due), err)
		}
		time.Sleep(time.Second)
		if p := next(t, m); p == nil || p.ReportID != "small" {
			t.Fatalf("Next = %+v, want p != nil, ReportID == \"small\"", p)
		} else {
			settle(t, m, p, uploaded)
		}
	})
}

func TestMorePartsMayBeLeasedThanTheWindowHolds(t *testing.T) {
	cfg := split
	cfg.MaxConcurrentUploads = 2 * windowSize
	m := open(t, cfg)
	const reports = windowSize + 50
	for i := range reports {
		submit(t, m, testReport(fmt.Sprint("r", i), 1))
	}
	var leased []*part.Part
	for p := next(t, m); p != nil; p = next(t, m) {
		leased = append(leased, p)
	}
	if len(leased) != reports {
		t.Errorf("%d of %d parts are leased", len(leased), reports)
	}
	for _, p := range leased {
		settle(t, m, p, uploaded)
	}
	drain(t, m)
	if c := m.Counts(); c.Completed != reports {
		t.Errorf("Counts = %+v, want Completed == reports", c)
	}
}

package chunk

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/report"
)

func TestLeaseEndsOnce(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("r", 4))
	p := next(t, m)
	if prog := settle(t, m, p, uploaded); prog.Finished || prog.Done != 1 || prog.Total != 2 {
		t.Fatalf("%+v", prog)
	}
	if _, err := m.Settle(t.Context(), p, uploaded); !errors.Is(err, ErrNotFound) {
		t.Errorf("settled twice: %v", err)
	}
	if _, err := m.Settle(t.Context(), &report.Part{Key: "never.leased.0"}, uploaded); !errors.Is(err, ErrNotFound) {
		t.Errorf("never leased: %v", err)
	}
	if prog := settle(t, m, next(t, m), uploaded); !prog.Finished {
		t.Fatalf("%+v", prog)
	}
}

func TestConcurrentSettlesOfOnePartCountOnce(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("r", 4))
	p, other := next(t, m), next(t, m)
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() {
			_, err := m.Settle(t.Context(), p, report.Outcome{Kind: report.Retry, Due: time.Now()})
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
		t.Errorf("%v", err)
	}
	if c := m.Counts(); c.Dropped != 1 || c.InProgress != 0 || c.Parts != 0 {
		t.Fatalf("%+v", c)
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
		eventually(t, "change is queued", func() bool { return len(m.db.ops) == n })
	}
	busy := make(chan struct{})
	go func() {
		errs <- m.db.do(t.Context(), 0, func(*tx) error { close(busy); <-hold; return nil })
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
		t.Fatalf("%+v", c)
	}
	if parts := drain(t, m); len(parts) != 1 || parts[0].ReportID != "new" {
		t.Fatalf("%d parts of the new report uploaded", len(parts))
	}
}

func TestReleasedPartComesAgainWithoutAnAttemptCounted(t *testing.T) {
	m := open(t, split)
	submit(t, m, testReport("r", 1))
	for range 5 {
		p := next(t, m)
		if p == nil || p.Attempt != 1 {
			t.Fatalf("%+v", p)
		}
		settle(t, m, p, report.Outcome{Kind: report.Released})
	}
	for range 5 {
		p := next(t, m)
		if p == nil || p.Attempt != 1 {
			t.Fatalf("%+v", p)
		}
		settle(t, m, p, report.Outcome{Kind: report.Retry, Free: true, Due: time.Now()})
	}
	drain(t, m)
}

func TestRetryIsDueWhenItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, split)
		submit(t, m, testReport("r", 1))
		for attempt := 1; attempt <= 3; attempt++ {
			p := next(t, m)
			if p == nil || p.Attempt != attempt {
				t.Fatalf("attempt %d: %+v", attempt, p)
			}
			due := time.Now().Add(time.Duration(attempt) * time.Minute)
			settle(t, m, p, report.Outcome{Kind: report.Retry, Due: due, Err: errors.New("not now")})
			again, at, err := m.Next(t.Context())
			if again != nil || err != nil || at.Sub(due).Abs() > time.Millisecond {
				t.Fatalf("part %v, next at %v, want %v, %v", again, at, due, err)
			}
			info := must(m.Storage().Parts(t.Context(), "r"))
			if info[0].LastError != "not now" || info[0].NextTry == nil || info[0].Attempts != attempt {
				t.Errorf("%+v", info[0])
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
	settle(t, m, next(t, m), report.Outcome{Kind: report.Retry, Due: due})
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := split
	cfg.DatabasePath = m.db.path
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
	leased := []*report.Part{next(t, m), next(t, m), next(t, m)}
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
		for _, p := range []*report.Part{first, small} {
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
		settle(t, m, next(t, m), report.Outcome{Kind: report.Retry, Due: retry})
		submit(t, m, testReport("split", 6))
		settle(t, m, next(t, m), uploaded)
		if p, due, err := m.Next(t.Context()); p != nil || err != nil || due.After(retry) {
			t.Fatalf("%v, look again in %v, want 1s, %v", p, time.Until(due), err)
		}
		time.Sleep(time.Second)
		if p := next(t, m); p == nil || p.ReportID != "small" {
			t.Fatalf("%+v", p)
		} else {
			settle(t, m, p, uploaded)
		}
	})
}

func TestHigherPriorityFirstThenOlder(t *testing.T) {
	m := open(t, Config{})
	for i, prio := range []int{0, 1, 5, 10, 1, 10, -3} {
		submit(t, m, testReport(fmt.Sprint("r", i), 1), report.Envelope{Priority: prio})
	}
	var got []string
	for _, p := range drain(t, m) {
		got = append(got, p.ReportID)
	}
	if want := []string{"r3", "r5", "r2", "r1", "r4", "r0", "r6"}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
}

func TestHigherPriorityOvertakesWhatIsReadAhead(t *testing.T) {
	m := open(t, Config{})
	for i := range windowSize + 20 {
		submit(t, m, testReport(fmt.Sprint("r", i), 1))
	}
	settle(t, m, next(t, m), uploaded)
	submit(t, m, testReport("urgent", 1), report.Envelope{Priority: 1})
	if p := next(t, m); p.ReportID != "urgent" {
		t.Fatalf("%s goes before the urgent one", p.ReportID)
	} else {
		settle(t, m, p, uploaded)
	}
}

func TestLowPriorityIsNotStarved(t *testing.T) {
	m := open(t, Config{})
	submit(t, m, testReport("low", 1))
	for i := range 2 * fairEvery {
		submit(t, m, testReport(fmt.Sprint("high", i), 1), report.Envelope{Priority: 9})
		p := next(t, m)
		settle(t, m, p, uploaded)
		if p.ReportID == "low" {
			return
		}
	}
	t.Fatalf("not among %d uploads", 2*fairEvery)
}

func TestPoisonPartDelaysNoOther(t *testing.T) {
	m := open(t, Config{MaxConcurrentUploads: 1})
	submit(t, m, testReport("poison", 1), report.Envelope{Priority: 9})
	for i := range 20 {
		submit(t, m, testReport(fmt.Sprint("good", i), 1))
	}
	poisoned, good := 0, 0
	for good < 20 {
		p := next(t, m)
		if p == nil {
			t.Fatalf("nothing due after %d of 20", good)
		}
		if p.ReportID == "poison" {
			poisoned++
			settle(t, m, p, report.Outcome{Kind: report.Retry, Due: time.Now().Add(time.Hour), Err: errors.New("boom")})
			continue
		}
		settle(t, m, p, uploaded)
		good++
	}
	if poisoned != 1 {
		t.Fatalf("tried %d times, want once an hour", poisoned)
	}
}

func TestDeadLettersAreListedRetriedAndDropped(t *testing.T) {
	rec := &recorder{}
	cfg := split
	cfg.Sink = rec
	m := open(t, cfg)
	ctx, s := t.Context(), m.Storage()
	submit(t, m, testReport("r", 6))
	dead := report.Outcome{Kind: report.Dead, Err: errors.New("refused: " + strings.Repeat("x", 5000))}
	settle(t, m, next(t, m), dead)
	settle(t, m, next(t, m), uploaded)
	if prog := settle(t, m, next(t, m), dead); !prog.Finished || prog.Dead != 2 || prog.Done != 1 {
		t.Fatalf("%+v", prog)
	}
	if c := m.Counts(); c.Failed != 1 || c.Parts != 0 {
		t.Fatalf("%+v", c)
	}
	list := must(s.Reports(ctx, 0, StateFailed))
	if len(list) != 1 || list[0].Dead != 2 || !strings.HasPrefix(list[0].LastError, "refused") || len(list[0].LastError) > maxErrorText || list[0].Finished == nil {
		t.Fatalf("%+v", list)
	}
	if parts := must(s.Parts(ctx, "r")); len(parts) != 3 || parts[0].State != "dead" || parts[1].State != "uploaded" {
		t.Fatalf("%+v", parts)
	}
	if e := rec.of(event.ChunkFailed); len(e) != 2 || e[0].Severity != event.Error {
		t.Errorf("%+v", e)
	}

	if n, err := s.RetryDead(ctx, "r"); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if c := m.Counts(); c.Recovered != 1 || c.Queued != 1 || c.Parts != 2 {
		t.Fatalf("%+v", c)
	}
	p := next(t, m)
	if p.Attempt != 1 {
		t.Errorf("attempt %d: a retried dead letter starts anew", p.Attempt)
	}
	settle(t, m, p, uploaded)
	if prog := settle(t, m, next(t, m), uploaded); !prog.Finished || prog.Dead != 0 || prog.Done != 3 {
		t.Fatalf("%+v", prog)
	}

	submit(t, m, testReport("r2", 1))
	settle(t, m, next(t, m), dead)
	if n, err := s.Drop(ctx, "r2"); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if _, err := s.Report(ctx, "r2"); !errors.Is(err, ErrNotFound) {
		t.Errorf("after Drop: %v", err)
	}
	if _, err := s.RetryDead(ctx, "r2"); !errors.Is(err, ErrNotFound) {
		t.Errorf("RetryDead after Drop: %v", err)
	}
}

func TestDeadLetterSubmittedAgainIsTriedAgain(t *testing.T) {
	for name, loseData := range map[string]func(*Storage) error{
		"data kept": func(*Storage) error { return nil },
		"data deleted": func(s *Storage) error {
			return s.DeleteChunkData(t.Context(), must(s.Parts(t.Context(), "r"))[0].ChunkID)
		},
		"parts deleted": func(s *Storage) error { _, err := s.DeleteReportChunks(t.Context(), "r"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			m := open(t, split)
			submit(t, m, testReport("r", 4))
			for range 2 {
				settle(t, m, next(t, m), report.Outcome{Kind: report.Dead, Err: errors.New("no")})
			}
			if err := loseData(m.Storage()); err != nil {
				t.Fatal(err)
			}
			submit(t, m, testReport("r", 4))
			if got := titles(t, drain(t, m)); len(got) != 4 {
				t.Fatalf("%d of 4 findings uploaded", len(got))
			}
			if r := must(m.Storage().Report(t.Context(), "r")); r[len(r)-1].State != StateCompleted {
				t.Fatalf("%+v", r)
			}
		})
	}
}

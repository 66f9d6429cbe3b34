package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/part"
)

// An answer 400 concerns only this part: the first one ends it, and the parts behind it continue.
func TestAnswer400IsTriedOnceAndHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{Workers: 1, Spool: store(t, chunk.Config{})}
		e := newEnds(&cfg)
		up := &answers{script: func(p *part.Part) error {
			if p.ReportID == "bad" {
				return &statusErr{permanent: true}
			}
			return nil
		}}
		p := start(t, cfg, up)
		mustSubmit(t, p, "bad", "good")
		flush(t, p)
		if e.failed["bad"] != 1 || e.completed["good"] != 1 || len(up.ids()) != 2 || time.Since(epoch) != 0 {
			t.Errorf("failed %v, completed %v, uploads %v after %v; want the bad report failed after one attempt, all others completed at once", e.failed, e.completed, up.ids(), time.Since(epoch))
		}
		stop(t, p)
	})
}

func TestNoResultAndNoErrorIsSuccessEvenWhenVerbose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{Verbose: true}
		e := newEnds(&cfg)
		p := start(t, cfg, UploaderFunc(func(context.Context, *part.Part) (*Result, error) { return nil, nil }))
		mustSubmit(t, p, "r")
		flush(t, p)
		if r := e.results["r"]; e.completed["r"] != 1 || r.ReportID != "r" || r.Status != "completed" {
			t.Errorf("completed %v with %+v, want r with status completed", e.completed, r)
		}
		stop(t, p)
	})
}

// Parts that fail at the same time are not tried again at the same time.
func TestRetriesAreSpreadByJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &answers{script: func(p *part.Part) error {
			if p.Attempt < 4 {
				return errors.New("odd answer")
			}
			return nil
		}}
		p := start(t, PipelineConfig{}, up)
		for i := range 20 {
			mustSubmit(t, p, fmt.Sprint("r", i))
		}
		flush(t, p)
		var first, last time.Duration
		for _, c := range up.calls {
			if c.attempt == 4 {
				last = max(last, c.at)
				if first == 0 || c.at < first {
					first = c.at
				}
			}
		}
		if last-first < 5*time.Second {
			t.Errorf("the fourth attempts of 20 reports are within %v, want them spread", last-first)
		}
		stop(t, p)
	})
}

// After the context of Start has ended, no report may be accepted for which there is no worker.
func TestNothingIsAcceptedAfterTheContextOfStartEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{}
		e := newEnds(&cfg)
		p := NewPipeline(&cfg, &answers{})
		ctx, cancel := context.WithCancel(t.Context())
		if err := p.Start(ctx); err != nil {
			t.Fatal(err)
		}
		mustSubmit(t, p, "before")
		cancel()
		synctest.Wait()
		if _, err := p.Submit(testReport("after", 1)); !errors.Is(err, ErrStopped) {
			t.Errorf("Submit = %v, want ErrStopped", err)
		}
		if err := p.Start(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("second Start = %v, want ErrStopped", err)
		}
		if completed, failed := e.counts(); completed != 1 || failed != 0 {
			t.Errorf("%d completed, %d failed", completed, failed)
		}
		stop(t, p)
	})
}

// Callbacks get copies: one that keeps and changes its item is no data race.
func TestCallbacksMayKeepAndChangeTheirItem(t *testing.T) {
	var changing sync.WaitGroup
	change := func(i *QueueItem) {
		changing.Go(func() {
			for n := range 100 {
				i.ID, i.Priority, i.Attempts, i.LastError = "mine", n, n, "mine"
			}
		})
	}
	cfg := PipelineConfig{
		OnSubmitted: change, OnCompleted: func(i *QueueItem, r *Result) { r.Status = "mine"; change(i) },
		OnFailed: func(i *QueueItem, _ error) { change(i) },
	}
	p := start(t, cfg, &answers{script: func(p *part.Part) error {
		if p.ReportID[1]%2 == 0 {
			return &statusErr{permanent: true}
		}
		return nil
	}})
	for i := range 50 {
		mustSubmit(t, p, fmt.Sprint("r", i))
	}
	flush(t, p)
	stop(t, p)
	changing.Wait()
}

// There are as many uploads at a time as Workers, with either spool.
func TestWorkersAreUsedAndNotExceeded(t *testing.T) {
	for _, c := range []struct {
		spool   bool
		workers int
	}{{false, 8}, {true, 8}, {true, 20}} {
		synctest.Test(t, func(t *testing.T) {
			cfg := PipelineConfig{Workers: c.workers}
			if c.spool {
				cfg.Spool = store(t, chunk.Config{})
			}
			h := &hanging{until: 30 * time.Second}
			cfg.UploadTimeout = 10 * time.Second
			p := start(t, cfg, h)
			for i := range 40 {
				mustSubmit(t, p, fmt.Sprint("r", i))
			}
			synctest.Wait()
			if want := int64(c.workers); h.most.Load() != want {
				t.Errorf("%+v: %d uploads at a time, want %d", c, h.most.Load(), want)
			}
			flush(t, p)
			stop(t, p)
		})
	}
}

// After each of many random operations, with either spool, the numbers add up, and each accepted report ends once.
func TestNumbersAddUpAfterAnyOperations(t *testing.T) {
	for seed := range uint64(20) {
		for _, durable := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) { randomOperations(t, rand.New(rand.NewPCG(seed, 0)), durable) })
			if t.Failed() {
				t.Fatalf("seed %d, durable %v", seed, durable)
			}
		}
	}
}

func randomOperations(t *testing.T, rnd *rand.Rand, durable bool) {
	var mu sync.Mutex
	answer := func() error {
		mu.Lock()
		n := rnd.IntN(12)
		mu.Unlock()
		time.Sleep(time.Duration(n) * time.Second)
		switch n {
		case 0:
			return &statusErr{permanent: true}
		case 1:
			return &statusErr{unauthorized: true}
		case 2, 3:
			return &statusErr{unavailable: true}
		case 4:
			return errors.New("odd")
		case 5:
			return &statusErr{after: time.Minute}
		case 6:
			panic("odd")
		}
		return nil
	}
	cfg := PipelineConfig{Workers: 3, Split: part.SplitConfig{MinFindings: 2, MaxFindings: 2}, MaxRetryAge: time.Hour}
	if durable {
		cfg.Spool = store(t, chunk.Config{})
	}
	e := newEnds(&cfg)
	p := start(t, cfg, &answers{script: func(*part.Part) error { return answer() }})
	accepted := map[string]bool{}
	for i := range 60 {
		mu.Lock()
		op, id := rnd.IntN(4), fmt.Sprint("r", i)
		mu.Unlock()
		switch op {
		case 0:
			mustSubmit(t, p, id)
			accepted[id] = true
		case 1:
			w, err := p.NewWriter(t.Context(), testReport(id, 0), WithPriority(i%3))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range testReport(id, 1+i%7).Findings {
				if err := w.AddFinding(f); err != nil {
					t.Fatal(err)
				}
			}
			if i%5 == 0 {
				_ = w.Abort()
			} else if _, err := w.Close(); err != nil {
				t.Fatal(err)
			} else {
				accepted[id] = true
			}
		case 2:
			time.Sleep(time.Duration(i) * time.Second)
		case 3:
			synctest.Wait()
		}
		s := p.GetStats()
		checkSum(t, s)
		if s.Attempts != s.Retries+s.PartsUploaded+s.PartsDead+s.PartsReleased+s.PartsGone+s.PartsUnstored || s.InProgress > 3 || s.Submitted != int64(len(accepted)) {
			t.Fatalf("%d accepted, GetStats() = %+v; want numbers that add up and at most three in progress", len(accepted), s)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_ = p.Stop(ctx)
	s := p.GetStats()
	checkSum(t, s)
	e.once(t)
	completed, failed := e.counts()
	if s.InProgress != 0 || !durable && s.QueueLength != 0 || completed+failed+int(s.QueueLength) != len(accepted) {
		t.Errorf("%d accepted, %d completed, %d failed, GetStats() = %+v; want every report ended or in the store", len(accepted), completed, failed, s)
	}
}

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/part"
)

func TestSubmitRacingStopLosesNothingAccepted(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for range rounds {
		cfg := PipelineConfig{}
		e := newEnds(&cfg)
		p := start(t, cfg, UploaderFunc(func(context.Context, *part.Part) (*Result, error) { return nil, nil }))
		accepted := race(t, p)
		e.once(t)
		if completed, failed := e.counts(); completed != accepted || failed != 0 {
			t.Fatalf("%d accepted, %d completed, %d failed", accepted, completed, failed)
		}
		if s := p.GetStats(); s.Submitted != int64(accepted) || s.Completed != int64(accepted) {
			t.Fatalf("%d accepted, %+v", accepted, s)
		}
	}
}

// race submits from four goroutines while it stops the pipeline, and returns the number of accepted reports.
func race(t *testing.T, p *Pipeline) (accepted int) {
	t.Helper()
	var mu sync.Mutex
	var submitting sync.WaitGroup
	for g := range 4 {
		submitting.Go(func() {
			for i := range 10 {
				_, err := p.Submit(testReport(fmt.Sprintf("r%d-%d-%d", time.Now().UnixNano(), g, i), 1))
				if errors.Is(err, ErrStopped) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				accepted++
				mu.Unlock()
			}
		})
	}
	runtime.Gosched()
	if err := p.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	submitting.Wait()
	return accepted
}

func TestSubmitRacingStopLosesNothingDurable(t *testing.T) {
	m := store(t, chunk.Config{})
	cfg := PipelineConfig{Spool: m}
	e := newEnds(&cfg)
	up := UploaderFunc(func(context.Context, *part.Part) (*Result, error) { return nil, nil })
	accepted := 0
	for range 20 {
		accepted += race(t, start(t, cfg, up))
	}
	last := start(t, cfg, up)
	flush(t, last)
	stop(t, last)
	e.once(t)
	if completed, failed := e.counts(); completed != accepted || failed != 0 {
		t.Fatalf("%d accepted, %d completed, %d failed", accepted, completed, failed)
	}
}

// slow is an Uploader that takes a second, or until its context ends.
var slow = UploaderFunc(func(ctx context.Context, p *part.Part) (*Result, error) {
	select {
	case <-time.After(time.Second):
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
})

func TestCancelledStartDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{Workers: 2}
		e := newEnds(&cfg)
		p := NewPipeline(&cfg, slow)
		for i := range 10 {
			mustSubmit(t, p, fmt.Sprint("r", i))
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := p.Start(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		cancel()
		<-p.Stopped()
		if completed, failed := e.counts(); completed != 10 || failed != 0 || time.Since(epoch) != 5*time.Second {
			t.Fatalf("%d completed, %d failed after %v", completed, failed, time.Since(epoch))
		}
		if _, err := p.Submit(testReport("late", 1)); !errors.Is(err, ErrStopped) {
			t.Errorf("Submit after the drain = %v, want ErrStopped", err)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Errorf("Stop after the drain = %v, want nil", err)
		}
	})
}

func TestDrainEndsAtItsTimeoutAndNamesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{Workers: 2, DrainTimeout: 2500 * time.Millisecond}
		e := newEnds(&cfg)
		p := NewPipeline(&cfg, slow)
		for i := range 10 {
			mustSubmit(t, p, fmt.Sprint("r", i))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Start(ctx); err != nil {
			t.Fatal(err)
		}
		<-p.Stopped()
		var unsent *UnsentError
		if err := p.Stop(t.Context()); !errors.As(err, &unsent) || time.Since(epoch) != 2500*time.Millisecond {
			t.Fatalf("%v after %v", err, time.Since(epoch))
		}
		slices.Sort(unsent.ReportIDs)
		if want := []string{"r4", "r5", "r6", "r7", "r8", "r9"}; !slices.Equal(unsent.ReportIDs, want) {
			t.Errorf("unsent %v, want %v", unsent.ReportIDs, want)
		}
		e.once(t)
		for _, id := range unsent.ReportIDs {
			if !errors.Is(e.errs[id], ErrStopped) {
				t.Errorf("OnFailed of %s got %v, want ErrStopped", id, e.errs[id])
			}
		}
		if completed, failed := e.counts(); completed != 4 || failed != 6 {
			t.Errorf("%d completed, %d failed", completed, failed)
		}
		s := p.GetStats()
		checkSum(t, s)
		if s.QueueParts+s.TotalBytes+s.QueueLength != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestStopDoesNotWaitForABackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{RetryDelay: time.Hour, MaxRetryDelay: time.Hour}
		e := newEnds(&cfg)
		down := true
		p := start(t, cfg, &answers{script: func(*part.Part) error {
			if down {
				return errors.New("no")
			}
			return nil
		}})
		mustSubmit(t, p, "r")
		time.Sleep(time.Second)
		synctest.Wait()
		down = false
		begun := time.Now()
		stop(t, p) // makes the last attempt at once
		if e.completed["r"] != 1 || time.Since(begun) > time.Second {
			t.Fatalf("completed %v, failed %v after %v", e.completed, e.errs, time.Since(begun))
		}
	})
}

func TestStopIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := PipelineConfig{Workers: 1}
		e := newEnds(&cfg)
		p := start(t, cfg, UploaderFunc(func(context.Context, *part.Part) (*Result, error) {
			time.Sleep(10 * time.Minute) // ignores its context
			return nil, nil
		}))
		mustSubmit(t, p, "r0", "r1")
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		err := p.Stop(ctx)
		if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took != time.Second+stopGrace {
			t.Fatalf("%v after %v", err, took)
		}
		checkSum(t, p.GetStats())
		<-p.Stopped() // the upload returns after Stop
		e.once(t)
		if e.completed["r0"] != 1 || e.failed["r1"] != 1 {
			t.Errorf("completed %v, failed %v", e.completed, e.failed)
		}
		var unsent *UnsentError
		if err := p.Stop(t.Context()); !errors.As(err, &unsent) || !slices.Equal(unsent.ReportIDs, []string{"r1"}) {
			t.Errorf("second Stop = %v, want nil", err)
		}
	})
}

func TestStopIsSafeAtAnyTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := NewPipeline(nil, &answers{})
		for range 2 {
			if err := never.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := never.Start(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("Start after Stop = %v, want ErrStopped", err)
		}
		p := start(t, PipelineConfig{}, slow)
		if err := p.Start(t.Context()); err == nil {
			t.Error("second Start = nil, want an error")
		}
		mustSubmit(t, p, "r")
		var stops sync.WaitGroup
		for range 5 {
			stops.Go(func() {
				if err := p.Stop(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		stops.Wait()
		if s := p.GetStats(); s.Completed != 1 {
			t.Errorf("%+v", s)
		}
		if err := NewPipeline(nil, nil).Start(t.Context()); err == nil {
			t.Error("Start with a nil Uploader = nil, want an error")
		}
	})
}

// Callbacks may submit, even while the pipeline is being stopped.
func TestCallbacksMaySubmit(t *testing.T) {
	var p *Pipeline
	stopped := make(chan error, 1)
	cfg := PipelineConfig{OnSubmitted: func(i *QueueItem) {
		if i.ID != "r" {
			return
		}
		go func() { stopped <- p.Stop(context.Background()) }()
		for !p.isDraining() {
			time.Sleep(time.Millisecond) // Stop must not wait for the Submit that has called us
		}
		if _, err := p.Submit(testReport("late", 1)); !errors.Is(err, ErrStopped) {
			t.Errorf("Submit in OnSubmitted during Stop = %v, want ErrStopped", err)
		}
	}}
	p = start(t, cfg, &answers{})
	within(t, "Submit in OnSubmitted", func() { mustSubmit(t, p, "r") })
	if err := <-stopped; err != nil {
		t.Error(err)
	}

	failed := 0
	cfg = PipelineConfig{OnFailed: func(*QueueItem, error) {
		failed++
		if _, err := p.Submit(testReport("again", 1)); !errors.Is(err, ErrStopped) {
			t.Errorf("Submit in OnFailed after Stop = %v, want ErrStopped", err)
		}
	}}
	p = NewPipeline(&cfg, &answers{})
	mustSubmit(t, p, "r")
	within(t, "Stop before Start", func() {
		var unsent *UnsentError
		if err := p.Stop(context.Background()); !errors.As(err, &unsent) {
			t.Error(err)
		}
	})
	if failed != 1 {
		t.Errorf("OnFailed was called %d times, want once", failed)
	}
}

// within fails if f does not return.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s does not return", what)
	}
}

func TestFlushWaitsForTheCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var returned bool
		p := start(t, PipelineConfig{OnCompleted: func(*QueueItem, *Result) {
			time.Sleep(time.Minute)
			returned = true
		}}, &answers{})
		mustSubmit(t, p, "r")
		flush(t, p)
		if !returned {
			t.Error("Flush returned before OnCompleted")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		mustSubmit(t, p, "r2")
		if err := p.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush = %v, want context.DeadlineExceeded", err)
		}
		stop(t, p)
	})
}

func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 5 {
		m, err := chunk.NewManager(&chunk.Config{DatabasePath: t.TempDir() + "/c.db"})
		if err != nil {
			t.Fatal(err)
		}
		p := start(t, PipelineConfig{Spool: m}, &answers{})
		mustSubmit(t, p, "r")
		flush(t, p)
		stop(t, p)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, "end of all goroutines", func() bool { return runtime.NumGoroutine() <= before })
}

package crashtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/pipeline"
)

// victim is an agent's durable core at work.
type victim struct {
	life
	fate *fate
	m    *chunk.Manager
	p    *pipeline.Pipeline
	stop chan struct{} // closed when the parent asks for an orderly end

	accepted, completed, failed atomic.Int64 // by return values and callbacks
}

// stuck is the time after which a victim that should have ended prints its goroutines.
const stuck = 60 * time.Second

// live is a victim's main function.
func live(l life) {
	v := &victim{life: l, fate: newFate(l.Step, l.Nth), stop: make(chan struct{})}
	time.AfterFunc(stuck, func() { panic("the victim does not end") })
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it, or is gone
		close(v.stop)
	}()
	if l.Step != "" {
		v.fate.watch(l.World.DB, victimSteps[l.Step])
	}
	before := runtime.NumGoroutine()
	if err := v.run(); err != nil {
		tell("violation %v", err)
	}
	v.noneLeft(before)
	tell("ended")
}

// storeConfig is how the store is opened in the life of this number.
func storeConfig(w world, number int, sink event.Sink) *chunk.Config {
	c := &chunk.Config{
		DatabasePath: w.DB, MaxStorageMB: w.MaxStorageMB, UploadDelayMs: -1, MaxRetries: 2,
		MinFindingsForChunking: minFindings, MaxFindingsPerChunk: maxFindings, MaxChunkSizeBytes: maxPartBytes, CompressionLevel: 1,
		AutoCleanupOnUpload: w.FreeUploaded, CleanupOnReportComplete: w.FreeComplete, AggressiveCleanup: true, CleanupIntervalMinutes: -1,
		MaxTenantReports: w.Quota, Sink: sink,
	}
	if w.Keys >= 0 && number >= w.Keys {
		c.Keys = (func() (keys []chunk.Key, err error) {
			for i := number; i >= w.Keys; i-- {
				keys = append(keys, chunk.Key{1: byte(i + 1)})
			}
			return keys, nil
		})
	}
	return c
}

func (v *victim) run() (err error) {
	sink := event.SinkFunc(func(e event.Event) {
		if e.Severity == event.Critical && e.Type == event.AgentError {
			tell("violation %s: %s", e.Message, e.Error)
		}
		v.fate.reached(string(e.Type))
	})
	if v.m, err = chunk.NewManager(storeConfig(v.World, v.Number, sink)); err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	up, err := newUploader(v)
	if err != nil {
		return errors.Join(err, v.m.Close())
	}
	defer up.close()
	v.p = pipeline.NewPipeline(&pipeline.PipelineConfig{
		Spool: v.m, Workers: v.World.Workers, RetryDelay: 2 * time.Millisecond, MaxRetryDelay: 20 * time.Millisecond, UploadTimeout: 5 * time.Second, Sink: sink,
		OnCompleted: func(*pipeline.QueueItem, *pipeline.Result) { v.completed.Add(1) },
		OnFailed:    func(*pipeline.QueueItem, error) { v.failed.Add(1) },
	}, up)
	if err := v.p.Start(context.Background()); err != nil {
		return errors.Join(err, v.m.Close())
	}
	tell("alive")
	if v.Drain {
		err = v.drain()
	} else {
		v.work()
	}
	v.fate.reached("stop begins")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = errors.Join(err, v.p.Stop(ctx))
	v.fate.reached("stopped, not closed")
	return errors.Join(err, v.reconcile(), v.m.Close())
}

// work submits, cleans up and watches the numbers until every submitter is done or the parent says stop. The orderly
// end comes while some are still at it.
func (v *victim) work() {
	var submitters, others sync.WaitGroup
	done := make(chan struct{})
	for g := range v.Submitters {
		submitters.Go(func() { newSubmitter(v, g).run() })
	}
	others.Go(func() { v.clean(done) })
	others.Go(func() { v.watch(done) })
	finished := make(chan struct{})
	go func() { submitters.Wait(); close(finished) }()
	select {
	case <-finished:
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		_ = v.p.Flush(ctx) // against a bad server it need not end
		cancel()
	case <-v.stop:
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if err := v.p.Stop(ctx); err != nil { // races with Submit
			tell("violation stop: %v", err)
		}
		cancel()
		<-finished
	}
	close(done)
	others.Wait()
}

// drain delivers everything, dead letters too. Parts that still fail have lost their data to an operator.
func (v *victim) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), stuck/2)
	defer cancel()
	for range 2 {
		if err := v.p.Flush(ctx); err != nil {
			return fmt.Errorf("drain: %w: %+v", err, v.p.GetStats())
		}
		if _, err := v.retryDead(ctx); err != nil {
			return err
		}
	}
	if err := v.p.Flush(ctx); err != nil {
		return fmt.Errorf("drain: %w: %+v", err, v.p.GetStats())
	}
	if c := v.m.Counts(); c.Queued+c.InProgress+c.Parts+c.Bytes != 0 {
		return fmt.Errorf("after the drain: %+v", c)
	}
	return nil
}

// reconcile compares the counts of the pipeline and the store with the observed outcomes.
func (v *victim) reconcile() error {
	s, err := v.m.Stats(context.Background())
	if err != nil {
		return fmt.Errorf("statistics: %w", err)
	}
	p := v.p.GetStats()
	for _, c := range []struct {
		what      string
		have, saw int64
	}{
		{"accepted", s.Submitted + s.Duplicates, v.accepted.Load()},
		{"completed", s.Completed, v.completed.Load()},
		{"failed", s.Failed, v.failed.Load()},
		{"in progress", s.InProgress, 0},
		{"attempts", p.Attempts, max(p.Attempts, p.PartsUploaded+p.PartsDead+p.Retries)}, // the rest was released
		{"queued in the pipeline", p.QueueLength, s.Queued},
		{"completed in the pipeline", p.Completed, s.Completed},
	} {
		if c.have != c.saw {
			err = errors.Join(err, fmt.Errorf("numbers: %s: %d, seen %d", c.what, c.have, c.saw))
		}
	}
	tell("left %s", left(v.m))
	return err
}

// left is the content of an idle store by its own count. The next process that opens it counts the same.
func left(m *chunk.Manager) string {
	c := m.Counts()
	text := fmt.Sprintf("%d reports, %d parts, %d bytes;", c.Queued, c.Parts, c.Bytes)
	for _, t := range slices.Sorted(maps.Keys(tenants)) {
		u := m.Tenant(t).Usage()
		text += fmt.Sprintf(" %s: %d reports, %d bytes;", tenants[t], u.Reports, u.Bytes)
	}
	return text
}

// watch looks whether the numbers add up at every moment.
func (v *victim) watch(done chan struct{}) {
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		c := v.m.Counts()
		idle := c.Queued+c.InProgress == 0 && c.Parts+c.Bytes != 0
		if idle || min(c.Queued, c.InProgress, c.Parts, c.Bytes, c.Submitted, c.Completed, c.Failed, c.Dropped) < 0 {
			tell("violation numbers: %+v", c)
			return
		}
	}
}

// noneLeft tells when goroutines are left.
func (v *victim) noneLeft(before int) {
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tell("violation %d goroutines are left, there were %d", runtime.NumGoroutine(), before)
			_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1) // for the reader of the failure
			return
		}
	}
}

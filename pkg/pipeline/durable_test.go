package pipeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

func TestRestartContinuesWhereItStopped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks.db")
	cfg := PipelineConfig{}
	e := newEnds(&cfg) // counts for both pipelines
	keys := map[string]int{}
	var mu sync.Mutex
	left := 17 // uploads until the first pipeline is stopped
	enough := make(chan struct{})
	up := UploaderFunc(func(ctx context.Context, p *part.Part) (*Result, error) {
		mu.Lock()
		if left--; left == 0 {
			close(enough)
		}
		last := left < 0
		if !last {
			keys[p.Key]++
		}
		mu.Unlock()
		if last { // further uploads hang until they are cancelled
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return &Result{FindingsCreated: p.Findings}, nil
	})

	m := store(t, chunk.Config{DatabasePath: path})
	cfg.Spool = m
	p := start(t, cfg, up)
	for i := range 10 {
		if _, err := p.Submit(testReport(fmt.Sprint("r", i), 8)); err != nil { // 4 parts
			t.Fatal(err)
		}
	}
	<-enough
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	checkSum(t, p.GetStats())
	first, _ := e.counts()
	if first == 0 || first == 10 {
		t.Fatalf("%d of 10 reports completed before the restart, want some but not all", first)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}

	left = math.MaxInt
	cfg.Spool = store(t, chunk.Config{DatabasePath: path})
	p = start(t, cfg, up)
	if s := p.GetStats(); s.Recovered != int64(10-first) {
		t.Errorf("Recovered = %d, want the %d that were left", s.Recovered, 10-first)
	}
	flush(t, p)
	stop(t, p)
	if completed, failed := e.counts(); completed != 10 || failed != 0 || len(keys) != 40 {
		t.Fatalf("%d completed, %d failed, %d of 40 parts received; want 10 completed, all parts", completed, failed, len(keys))
	}
	e.once(t)
	for id, r := range e.results {
		if r.FindingsCreated != 8 {
			t.Errorf("%s: result %+v, want the sums over both pipelines", id, r)
		}
	}
}

func TestServerDownForAnHourLosesNothing(t *testing.T) {
	for _, reports := range []int{1, 20} {
		synctest.Test(t, func(t *testing.T) {
			cfg := PipelineConfig{Spool: store(t, chunk.Config{})}
			e := newEnds(&cfg)
			up := &answers{script: func(*part.Part) error {
				if time.Since(epoch) < time.Hour {
					return &statusErr{unavailable: true}
				}
				return nil
			}}
			p := start(t, cfg, up)
			for i := range reports {
				mustSubmit(t, p, fmt.Sprint("r", i))
			}
			time.Sleep(59 * time.Minute)
			if s := p.GetStats(); s.Failed+s.PartsDead != 0 || s.QueueLength+s.InProgress != int64(reports) || s.PausedUntil == nil || s.LastError == "" {
				t.Fatalf("%+v", s)
			}
			if n := len(up.ids()); n > 60 {
				t.Errorf("%d attempts while the server is down for an hour, want a few", n)
			}
			flush(t, p)
			if since := time.Since(epoch); since > time.Hour+10*time.Minute {
				t.Errorf("all uploaded after %v, want soon after the hour", since)
			}
			if completed, failed := e.counts(); completed != reports || failed != 0 {
				t.Errorf("%d completed, %d failed", completed, failed)
			}
			stop(t, p)
		})
	}
}

func TestStopLeavesTheRestInTheStore(t *testing.T) {
	m := store(t, chunk.Config{})
	cfg := PipelineConfig{Spool: m, Workers: 2}
	e := newEnds(&cfg)
	entered, release := make(chan struct{}, 100), make(chan struct{})
	p := start(t, cfg, UploaderFunc(func(context.Context, *part.Part) (*Result, error) {
		entered <- struct{}{}
		<-release
		return nil, nil
	}))
	for i := range 6 {
		mustSubmit(t, p, fmt.Sprint("r", i))
	}
	<-entered
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- p.Stop(context.Background()) }()
	<-p.drain
	if _, err := p.Submit(testReport("late", 1)); !errors.Is(err, ErrStopped) {
		t.Errorf("Submit after Stop = %v, want ErrStopped", err)
	}
	close(release) // the two in progress finish, and no other begins
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if completed, failed := e.counts(); completed != 2 || failed != 0 {
		t.Fatalf("%d completed, %d failed", completed, failed)
	}
	if s := p.GetStats(); s.QueueLength != 4 || s.InProgress != 0 {
		t.Fatalf("%+v", s)
	}
	if err := p.Start(t.Context()); !errors.Is(err, ErrStopped) {
		t.Errorf("Start after Stop = %v, want ErrStopped", err)
	}

	again := start(t, cfg, &answers{}) // a new pipeline on the same store
	flush(t, again)
	stop(t, again)
	if completed, _ := e.counts(); completed != 6 {
		t.Fatalf("%d completed, want 6", completed)
	}
	e.once(t)
}

func TestDamagedPartEndsInOnFailedAndNoOtherDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks.db")
	m := store(t, chunk.Config{DatabasePath: path})
	for i := range 5 {
		if _, err := m.SubmitReport(t.Context(), testReport(fmt.Sprint("r", i), 1)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Exec("UPDATE blobs SET data = CAST(zeroblob(length(data)) AS BLOB) WHERE pid = (SELECT min(pid) + 1 FROM blobs)"); err != nil {
		t.Fatal(err)
	}
	cfg := PipelineConfig{Spool: m}
	e := newEnds(&cfg)
	up := &answers{}
	p := start(t, cfg, up)
	flush(t, p)
	stop(t, p)
	e.once(t)
	if err := e.errs["r1"]; len(e.completed) != 4 || err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Fatalf("completed %v, failed %v; want r1 failed as damaged, four completed", e.completed, e.errs)
	}
	if len(up.ids()) != 4 {
		t.Errorf("uploads %v, want none of the damaged part", up.ids())
	}
	if r, err := m.Storage().Reports(t.Context(), 0, chunk.StateFailed); len(r) != 1 || err != nil || !strings.Contains(r[0].LastError, "damaged") {
		t.Errorf("dead letters %+v, %v", r, err)
	}
}

func TestFlushEndsWhenTheLastReportIsDropped(t *testing.T) {
	for _, when := range []string{"waiting for a retry", "in progress"} {
		t.Run(when, func(t *testing.T) {
			m := store(t, chunk.Config{})
			entered, release := make(chan struct{}), make(chan struct{})
			p := start(t, PipelineConfig{Spool: m, RetryDelay: time.Hour}, &answers{script: func(*part.Part) error {
				close(entered)
				<-release
				return errors.New("no")
			}})
			mustSubmit(t, p, "r")
			flushed := make(chan error, 1)
			go func() { flushed <- p.Flush(context.Background()) }()
			<-entered
			if when != "in progress" {
				close(release)
				testkit.Eventually(t, "put back", func() bool {
					parts, err := m.Storage().Parts(t.Context(), "r")
					return err == nil && len(parts) == 1 && parts[0].Attempts == 1
				})
			}
			if _, err := m.Storage().Drop(t.Context(), "r"); err != nil {
				t.Fatal(err)
			}
			if when == "in progress" {
				close(release)
			}
			select {
			case err := <-flushed:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(20 * time.Second):
				t.Error("Flush did not return after the last report was dropped")
			}
			stop(t, p)
		})
	}
}

func TestReportWithoutJSONFormIsRefusedByTheStore(t *testing.T) {
	p := start(t, PipelineConfig{Spool: store(t, chunk.Config{})}, &answers{})
	r := testReport("r", 1)
	r.Findings[0].Properties = report.Properties{"x": math.NaN()}
	if _, err := p.Submit(r); err == nil {
		t.Error("Submit of a report without a JSON form = nil, want an error")
	}
	if s := p.GetStats(); s.Submitted != 0 {
		t.Errorf("%+v", s)
	}
	stop(t, p)
}

// A report that an operator drops while a part is uploaded ends without a callback and without an error.
func TestReportDroppedFromTheStoreDuringItsUploadIsNoError(t *testing.T) {
	m, rec := store(t, chunk.Config{}), &testkit.Recorder{}
	uploading, dropped := make(chan struct{}), make(chan struct{})
	p := start(t, PipelineConfig{Spool: m, Sink: rec}, UploaderFunc(func(context.Context, *part.Part) (*Result, error) {
		close(uploading)
		<-dropped
		return nil, nil
	}))
	mustSubmit(t, p, "r")
	<-uploading
	if n, err := m.Storage().Drop(t.Context(), "r"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	close(dropped)
	stop(t, p)
	if s, problems := p.GetStats(), rec.Events(event.AgentError); len(problems) != 0 || s.PartsGone != 1 {
		t.Errorf("PartsGone = %d, agent_error events %+v; want 1 and none", s.PartsGone, problems)
	}
}

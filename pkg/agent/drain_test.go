package agent_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/sdktest"
)

func TestCancelLetsRunningJobsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		done := make(chan struct{})
		b.scanner.Does(sdktest.After(done, sdktest.Finds(1)))
		jobs := b.source.Add(make([]job.Spec, 3)...)
		b.start(t)
		must(t, b.scanner.WaitRunning(limit(t), 2))
		b.cancel()
		time.Sleep(4 * time.Minute)
		if s := b.agent.Status(); s.Phase != agent.PhaseDraining || len(s.Jobs) != 2 {
			t.Errorf("status %+v", s)
		}
		close(done)
		must(t, b.end(t))
		if jobs[0].State() != sdktest.Acked || jobs[1].State() != sdktest.Acked || jobs[2].State() != sdktest.Waiting {
			t.Errorf("jobs are %s, %s and %s", jobs[0].State(), jobs[1].State(), jobs[2].State())
		}
	})
}

func TestJobsThatDoNotEndWithinDrainTimeoutAreReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.scanner.Does(sdktest.Hangs())
		j := b.source.Add(job.Spec{})[0]
		b.start(t, func(c *agent.Config) { c.DrainTimeout = 3 * time.Minute })
		must(t, b.scanner.WaitRunning(limit(t), 1))
		begun := time.Now()
		b.cancel()
		must(t, b.end(t))
		if d := time.Since(begun); d != 3*time.Minute {
			t.Errorf("Run returned after %v", d)
		}
		if c := j.Calls(); verbs(c) != "nak" || c[0].Delay != 0 {
			t.Errorf("calls %+v", c)
		}
	})
}

func TestAbortStopsAtOnce(t *testing.T) {
	for name, cancel := range map[string]bool{"after the first signal": true, "alone": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bed
				b.uploader.Hang()
				b.scanner.DoesNext(sdktest.Finds(1))
				b.scanner.Does(sdktest.Hangs())
				jobs := b.source.Add(job.Spec{}, job.Spec{})
				b.start(t)
				must(t, b.uploader.WaitHanging(limit(t), 1))
				must(t, b.scanner.WaitScans(limit(t), 2))
				begun := time.Now()
				if cancel {
					b.cancel()
				}
				b.agent.Abort()
				b.agent.Abort()
				err := b.end(t)
				if d := time.Since(begun); d > time.Second {
					t.Errorf("Run returned after %v", d)
				}
				var unsent *pipeline.UnsentError
				if !errors.As(err, &unsent) || len(unsent.ReportIDs) != 1 {
					t.Errorf("Run = %v, want an UnsentError with the report that was only in memory", err)
				}
				// The jobs of the stopped scan and of the lost report do not fail.
				for _, j := range jobs {
					if c := j.Calls(sdktest.Ack, sdktest.Fail); len(c) != 0 || len(j.Calls(sdktest.Nak)) == 0 {
						t.Errorf("%s: %+v", j.Spec().ID, j.Calls())
					}
				}
			})
		})
	}
}

func TestAbortWhileIdleEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.start(t)
		synctest.Wait()
		b.agent.Abort()
		must(t, b.end(t))
	})
}

func TestJobThatWaitsForResourcesIsReturnedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.scanner.Does(sdktest.Hangs())
		b.scanner.SetCost(1, sdktest.HostMemory/2)
		b.source.Add(job.Spec{}, job.Spec{})
		b.start(t)
		must(t, b.scanner.WaitRunning(limit(t), 1))
		synctest.Wait()
		var phases []string
		for _, j := range b.agent.Status().Jobs {
			phases = append(phases, j.Phase)
		}
		if len(phases) != 2 || !strings.Contains(strings.Join(phases, ","), "waiting for resources") {
			t.Errorf("phases %q", phases)
		}
		b.cancel()
		must(t, b.end(t))
		if _, most := b.scanner.Running(); most != 1 {
			t.Errorf("%d scans at once", most)
		}
	})
}

// durable returns a spool on disk, which another agent may open after close.
func durable(t *testing.T, path string) *chunk.Manager {
	t.Helper()
	cfg := chunk.DefaultConfig()
	cfg.DatabasePath = path
	m, err := chunk.NewManager(cfg)
	must(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

func TestReportsLeftAreReturnedAsAnErrorAndUploadedAtTheNextStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chunks.db")
	var first bed
	first.uploader.Script(func(*part.Part) error { return sdktest.Unavailable("server is down") })
	jobs := first.source.Add(job.Spec{ID: "a"}, job.Spec{ID: "b"})
	first.source.End()
	spool := durable(t, path)
	first.start(t, func(c *agent.Config) { c.Pipeline.Spool, c.FlushTimeout = spool, 50*time.Millisecond })
	err := first.end(t)
	var left *agent.LeftError
	if !errors.As(err, &left) || left.Reports != 2 || !strings.Contains(left.Reason, "server is down") || !strings.Contains(err.Error(), "2 reports") {
		t.Fatalf("Run = %v, want a LeftError of 2 reports with the reason", err)
	}
	for _, j := range jobs {
		if len(j.Calls()) != 0 {
			t.Errorf("calls of %s: %+v, want none before its report is at the receiver", j.Spec().ID, j.Calls())
		}
	}
	must(t, spool.Close())

	var second bed
	second.source.End()
	spool = durable(t, path)
	second.start(t, func(c *agent.Config) { c.Pipeline.Spool = spool })
	must(t, second.end(t))
	if got := second.uploader.Reports(); len(got) != 2 {
		t.Errorf("%d reports uploaded at the next start, want 2", len(got))
	}
}

// If the agent died between the upload and Ack, the job is delivered again and acknowledged without another upload.
func TestJobDoneAgainIsAcknowledgedWithoutAnUpload(t *testing.T) {
	spool := durable(t, filepath.Join(t.TempDir(), "chunks.db"))
	var b bed
	jobs := b.source.Add(job.Spec{ID: "same"})
	r := sdktest.Report(2)
	r.Metadata.Timestamp = time.Unix(1_700_000_000, 0).UTC()
	b.scanner.Does(sdktest.Gives(r))
	b.start(t, func(c *agent.Config) { c.Pipeline.Spool = spool })
	must(t, jobs[0].WaitState(limit(t), sdktest.Acked))
	again := b.source.Add(job.Spec{ID: "same"})[0]
	must(t, again.WaitState(limit(t), sdktest.Acked))
	if n := b.uploader.Attempts(); n != 1 {
		t.Errorf("%d uploads, want 1", n)
	}
}

func TestRunLeavesNoGoroutine(t *testing.T) {
	for _, end := range []func(*bed){func(b *bed) { b.source.End() }, func(b *bed) { b.cancel() }, func(b *bed) { b.cancel(); b.agent.Abort() }} {
		var b bed
		b.scanner.DoesNext(sdktest.Fails(errors.New("broken")), sdktest.Panics("bad"))
		b.source.Add(make([]job.Spec, 6)...)
		b.source.Add(job.Spec{LeaseTTL: time.Hour})
		b.start(t)
		must(t, b.scanner.WaitScans(limit(t), 4))
		end(&b)
		var unsent *pipeline.UnsentError
		if err := b.end(t); err != nil && !errors.As(err, &unsent) {
			t.Error(err)
		}
	}
	for _, name := range []string{"pkg/agent", "pkg/pipeline", "pkg/resource", "pkg/event"} {
		if left := testkit.Goroutines(name); left != "" {
			t.Errorf("goroutines of %s after Run:\n%s", name, left)
		}
	}
}

func TestRunWithACancelledContextDoesNothing(t *testing.T) {
	var b bed
	b.source.Add(job.Spec{})
	a, err := agent.New(b.config())
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	must(t, a.Run(ctx))
	if len(b.scanner.Requests()) != 0 {
		t.Error("a scan was started")
	}
}

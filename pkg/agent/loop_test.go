package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/sdktest"
)

func TestAsManyJobsRunAsThereAreSlots(t *testing.T) {
	var b bed
	const n = 20
	b.source.Add(make([]job.Spec, n)...)
	ready := make(chan struct{})
	b.scanner.Does(sdktest.After(ready, sdktest.Finds(3)))
	b.start(t)
	must(t, b.scanner.WaitRunning(limit(t), 2))
	if s := b.agent.Status(); len(s.Jobs) != 2 || s.Phase != agent.PhaseRunning || s.Resource.ActiveJobs != 2 {
		t.Errorf("status %+v", s)
	}
	close(ready)
	b.source.End()
	must(t, b.end(t))

	if _, most := b.scanner.Running(); most != 2 {
		t.Errorf("%d scans ran at once, want 2", most)
	}
	for _, w := range b.source.Wants() {
		if w.Max < 1 || w.Max > 2 || len(w.Kinds) != 1 || w.Kinds[0] != "scan" {
			t.Errorf("Next was called with %+v, want Max 1 or 2", w)
		}
	}
	if got := b.uploader.Reports(); len(got) != n || len(got[0].Findings) != 3 {
		t.Errorf("%d reports, the first one %+v", len(got), got[0])
	}
	if s := b.agent.Status(); s.JobsCompleted != n || s.JobsFailed != 0 || len(s.Jobs) != 0 || s.Resource.ActiveJobs != 0 || s.Pipeline.Completed != n {
		t.Errorf("Status() after Run = %+v, want all jobs completed and uploaded", s)
	}
}

// While a job runs on one of two slots, the source is asked for one more job and not for two.
func TestSourceIsAskedForAsManyJobsAsThereAreFreeSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.source.Add(job.Spec{})
		b.scanner.Does(sdktest.Hangs())
		b.start(t, func(c *agent.Config) { c.PollWait = time.Second })
		must(t, b.source.WaitAsked(limit(t), 3))
		wants := b.source.Wants()
		if wants[0].Max != 2 || wants[1].Max != 1 || wants[2].Max != 1 {
			t.Errorf("Next was called with %+v", wants)
		}
		b.source.Add(job.Spec{})
		must(t, b.scanner.WaitRunning(limit(t), 2))
		asked := len(b.source.Wants())
		time.Sleep(time.Hour)
		if n := len(b.source.Wants()); n != asked {
			t.Errorf("Next was called %d times without a free slot, want 0", n-asked)
		}
	})
}

// The agent holds its slots while it asks the source. A job that needs more than one must not wait until that has ended.
func TestJobThatNeedsMoreNeverWaitsForThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.scanner.SetCost(2, 1<<30)
		b.start(t)
		time.Sleep(time.Second)
		begun := time.Now()
		for range 5 {
			b.source.Add(job.Spec{})
			must(t, b.source.WaitEnded(limit(t)))
		}
		if d := time.Since(begun); d > time.Second {
			t.Errorf("five jobs took %v on an idle host, want no waiting for the poll", d)
		}
	})
}

func TestScannerThatNeedsMoreSlotsThanThereAreGetsAll(t *testing.T) {
	var b bed
	jobs := b.source.Add(job.Spec{}, job.Spec{}, job.Spec{})
	b.scanner.SetCost(16, 0)
	b.source.End()
	b.start(t)
	must(t, b.end(t))
	for _, j := range jobs {
		if j.State() != sdktest.Acked {
			t.Errorf("%s is %s: %+v", j.Spec().ID, j.State(), j.Calls())
		}
	}
	if _, most := b.scanner.Running(); most != 1 {
		t.Errorf("%d scans that need all slots ran at once, want 1", most)
	}
}

func TestJobWaitsOnWhenSlotsBecomeFewer(t *testing.T) {
	var b bed
	hold := make(chan struct{})
	b.scanner.DoesNext(sdktest.After(hold, sdktest.Finds(1)))
	first := b.source.Add(job.Spec{})[0]
	b.start(t, func(c *agent.Config) { c.Resource.MaxConcurrentJobs = 4 })
	must(t, b.scanner.WaitRunning(limit(t), 1))
	b.scanner.SetCost(4, 0)
	second := b.source.Add(job.Spec{})[0]
	testkit.Eventually(t, "a waiting job", func() bool { return b.agent.Controller().GetStatus().PendingJobs == 1 })
	b.agent.Controller().SetMaxConcurrentJobs(2)
	close(hold)
	must(t, b.source.WaitEnded(limit(t)))
	if first.State() != sdktest.Acked || second.State() != sdktest.Acked {
		t.Errorf("%s and %s: %+v", first.State(), second.State(), second.Calls())
	}
}

func TestThrottledHostRunsOneJobUntilItIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.host.Set(sdktest.Load{CPU: 99, Memory: 20})
		b.source.Add(make([]job.Spec, 2)...)
		b.scanner.Does(sdktest.Hangs())
		b.start(t)
		must(t, b.host.WaitSamples(limit(t), 10))
		b.source.Add(make([]job.Spec, 2)...)
		synctest.Wait()
		busy, _ := b.scanner.Running()
		if !b.agent.Status().Resource.Throttled || busy > 2 {
			t.Errorf("%d jobs on a busy host, want 1; %+v", busy, b.agent.Status().Resource)
		}
	})
}

// The slot was acquired before the gate closed, and the job came after that.
func TestJobThatComesWhileTheGateIsClosedWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		var shut atomic.Bool
		b.start(t, func(c *agent.Config) {
			c.Resource.Gate = func() error {
				if shut.Load() {
					return errors.New("the log fails")
				}
				return nil
			}
		})
		synctest.Wait() // until the source is asked
		shut.Store(true)
		b.source.Add(make([]job.Spec, 2)...)
		time.Sleep(time.Minute)
		synctest.Wait()
		busy, _ := b.scanner.Running()
		if r := b.agent.Status().Resource; busy != 0 || len(b.uploader.Reports()) != 0 || r.ActiveJobs != 0 || r.ThrottleReason != "the log fails" {
			t.Errorf("%d jobs run behind a closed gate, want 0; %+v", busy, r)
		}
		shut.Store(false)
		must(t, b.source.WaitEnded(limit(t)))
		if n := len(b.uploader.Reports()); n != 2 {
			t.Errorf("%d reports, want 2", n)
		}
	})
}

func TestReturnedJobsAreTakenAfterEOF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		j := b.source.Add(job.Spec{})[0]
		b.source.End()
		b.scanner.DoesNext(sdktest.Fails(sdktest.Temporary("no room")))
		b.start(t)
		must(t, b.end(t))
		if got := verbs(j.Calls()); got != "nak ack" || len(b.uploader.Reports()) != 1 {
			t.Errorf("verbs %q, %d reports", got, len(b.uploader.Reports()))
		}
	})
}

// An unreachable server often causes an error that wraps io.EOF, which must not end the agent.
func TestOnlyEOFItselfEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.source.FailNext(3, fmt.Errorf("get commands: %w", io.EOF))
		begun := time.Now()
		b.start(t)
		must(t, b.source.WaitAsked(limit(t), 4))
		if d := time.Since(begun); d != 7*time.Second {
			t.Errorf("three failures took %v, want pauses of 1s, 2s and 4s", d)
		}
		j := b.source.Add(job.Spec{})[0]
		must(t, j.WaitState(limit(t), sdktest.Acked))
		if p := b.agent.Status().Problems; len(p) != 3 || !strings.Contains(p[0].Error, "get commands") {
			t.Errorf("Problems = %+v", p)
		}
	})
}

func TestPausesOfAFailingSourceEndAtRetryDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.source.FailNext(100, errors.New("down"))
		b.start(t, func(c *agent.Config) { c.RetryDelay = 10 * time.Second })
		begun := time.Now()
		must(t, b.source.WaitAsked(limit(t), 101))
		if d := time.Since(begun); d != (1+2+4+8+96*10)*time.Second {
			t.Errorf("100 failures took %v, want pauses of at most RetryDelay", d)
		}
		if n := len(b.agent.Status().Problems); n != 20 {
			t.Errorf("%d problems, want the last 20", n)
		}
	})
}

func TestTenantsPassThrough(t *testing.T) {
	var b bed
	b.source.Add(job.Spec{ID: "a", TenantID: "acme"}, job.Spec{ID: "b"}, job.Spec{ID: "a", TenantID: "other"})
	b.source.End()
	b.start(t, func(c *agent.Config) { c.TenantID = "own" })
	must(t, b.end(t))
	got := map[string]string{}
	for _, p := range b.uploader.Parts() {
		got[p.TenantID] = p.ReportID + " of " + p.JobID
	}
	if len(got) != 3 || got["acme"] != "a of a" || got["other"] != "a of a" || got["own"] != "b of b" {
		t.Errorf("parts %v", got)
	}
	for _, r := range b.scanner.Requests() {
		if r.TenantID == "" {
			t.Errorf("scan request %+v, want the tenant of the agent", r)
		}
	}
	for _, e := range b.events.Events() {
		if e.JobID == "b" && e.TenantID != "own" {
			t.Errorf("event %+v", e)
		}
	}
}

func TestRunCanBeCalledOnce(t *testing.T) {
	var b bed
	b.source.End()
	b.start(t)
	must(t, b.end(t))
	if err := b.agent.Run(context.Background()); err == nil {
		t.Error("second Run = nil, want an error")
	}
}

func TestConfigNamesAllProblems(t *testing.T) {
	_, err := agent.New(agent.Config{MaxAttempts: -1, PollWait: -1, RetryDelay: -2, DrainTimeout: -2, FlushTimeout: -2, HeartbeatInterval: 1})
	for _, field := range []string{"source", "scanner", "uploader", "max_attempts", "poll_wait", "retry_delay", "drain_timeout", "flush_timeout", "heartbeat_interval"} {
		if err == nil || !strings.Contains(err.Error(), "agent."+field+": ") {
			t.Errorf("New = %v, want agent.%s named", err, field)
		}
	}
}

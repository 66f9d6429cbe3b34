package agent_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// troubled is an agent with eight slots on a host with mb megabytes of free disk and a store that is filled to store percent.
type troubled struct {
	bed
	mb, store atomic.Int64
}

func newTroubled(t *testing.T, edit ...func(*agent.Config)) *troubled {
	b := &troubled{}
	b.mb.Store(1 << 20)
	b.start(t, append([]func(*agent.Config){func(c *agent.Config) {
		d := limits.Limits{}.DegradationConfig()
		c.Degradation = &d
		c.Signals = func(_ context.Context, v limits.Signals) {
			v[limits.MetricDiskFree], v[limits.MetricStore] = float64(b.mb.Load()), float64(b.store.Load())
		}
		c.Resource.MaxConcurrentJobs = 8
	}}, edit...)...)
	return b
}

// until waits until the agent is at the level.
func (b *troubled) until(t *testing.T, l limits.Level) {
	t.Helper()
	for range 1000 {
		if b.agent.Status().Degradation.Level == l {
			return
		}
		time.Sleep(time.Second)
	}
	t.Fatalf("agent did not reach level %s: %+v", l, b.agent.Status().Degradation)
}

// On a full disk no job is taken, running jobs end normally and are uploaded, and once there is space again the agent
// recovers level by level.
func TestPausedAgentTakesNoJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := newTroubled(t)
		b.scanner.Does(sdktest.After(release, sdktest.Finds(1)))
		running := b.source.Add(job.Spec{})[0]
		must(t, b.scanner.WaitRunning(limit(t), 1))

		b.mb.Store(10)
		b.until(t, limits.LevelPaused)
		later := b.source.Add(job.Spec{}, job.Spec{Priority: 100})
		time.Sleep(10 * time.Minute)
		if n := b.agent.Status(); len(n.Jobs) != 1 {
			t.Errorf("Jobs = %+v while paused, want only the running one", n.Jobs)
		}
		close(release)
		must(t, running.WaitState(limit(t), sdktest.Acked)) // its report was uploaded
		asked := len(b.source.Wants())
		time.Sleep(10 * time.Minute)
		if again := len(b.source.Wants()); again != asked {
			t.Errorf("source was asked %d times while paused, want 0", again-asked)
		}
		for _, j := range later {
			if j.State() == sdktest.Acked {
				t.Error("a job was run while paused")
			}
		}
		b.mb.Store(1 << 20)
		for _, l := range []limits.Level{limits.LevelMinimal, limits.LevelReduced, limits.LevelFull} {
			b.until(t, l)
		}
		for _, j := range later {
			must(t, j.WaitState(limit(t), sdktest.Acked))
		}
		told := b.events.OfType(event.DegradationChanged)
		if len(told) != 4 || told[0].Details["reason"] != "disk_free_mb 10 < 1000" || told[0].Details["to"] != "paused" || told[3].Details["to"] != "full" {
			t.Errorf("%+v", told)
		}
	})
}

// An agent that starts on a full disk takes no job at all.
func TestAgentThatStartsPausedTakesNoJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTroubled(t, func(c *agent.Config) {
			c.Signals = func(_ context.Context, v limits.Signals) { v[limits.MetricDiskFree] = 1 }
		})
		b.source.Add(job.Spec{})
		time.Sleep(time.Hour)
		if n := len(b.source.Wants()); n != 0 || b.agent.Status().Degradation.Level != limits.LevelPaused {
			t.Errorf("source was asked %d times, degradation %+v; want 0 times", n, b.agent.Status().Degradation)
		}
	})
}

// Fewer jobs run at the lower levels, even if their slots were held before, and none of low priority. All of them are done
// in the end.
func TestLowerLevelRunsFewerJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTroubled(t)
		b.scanner.Does(func(context.Context, scan.Request) (*report.Report, error) {
			time.Sleep(10 * time.Second)
			return sdktest.Report(1), nil
		})
		most := func(l limits.Level, jobs int) {
			t.Helper()
			for range 300 {
				time.Sleep(time.Second)
				if s := b.agent.Status(); s.Degradation.Level == l && s.Resource.ActiveSlots > jobs {
					t.Fatalf("%s: %d of %d slots in use, want %d", l, s.Resource.ActiveSlots, s.Resource.MaxJobs, jobs)
				}
			}
		}
		b.store.Store(80)
		b.until(t, limits.LevelReduced)
		var specs []job.Spec
		for i := range 100 {
			specs = append(specs, job.Spec{Priority: -(i % 2)})
		}
		jobs := b.source.Add(specs...)
		most(limits.LevelReduced, 4)
		for i, j := range jobs {
			if i%2 == 1 && j.State() == sdktest.Acked {
				t.Error("a job with a priority below 0 was run at a lower level")
			}
		}
		b.store.Store(92)
		b.until(t, limits.LevelMinimal)
		time.Sleep(time.Minute) // running jobs end normally
		most(limits.LevelMinimal, 1)
		b.store.Store(1)
		for _, j := range jobs {
			must(t, j.WaitState(limit(t), sdktest.Acked))
		}
		if s := b.agent.Status(); s.Degradation.Level != limits.LevelFull || s.Resource.MaxJobs != 8 {
			t.Errorf("%+v, %d slots", s.Degradation, s.Resource.MaxJobs)
		}
	})
}

// A job that is delivered by the poll during which the level fell is returned, however often it was tried.
func TestJobThatTheLevelRefusesIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTroubled(t)
		time.Sleep(time.Second) // the agent waits for a job
		b.mb.Store(10)
		b.until(t, limits.LevelPaused)
		j := b.source.Add(job.Spec{Attempt: 99})[0]
		e, err := b.events.WaitFor(limit(t), event.JobFailed)
		must(t, err)
		if e.Severity != event.Warn || e.Error != "agent is paused: disk_free_mb 10 < 1000" || verbs(j.Calls()) != "nak" {
			t.Errorf("%+v, verbs %s", e, verbs(j.Calls()))
		}
	})
}

// The gate of the configuration is asked too, and a panic in Signals does not end the agent.
func TestDegradationKeepsTheGateOfTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shut atomic.Bool
		shut.Store(true)
		b := newTroubled(t, func(c *agent.Config) {
			c.Signals = func(context.Context, limits.Signals) { panic("no signals") }
			c.Resource.Gate = func() error {
				if shut.Load() {
					return errors.New("shut")
				}
				return nil
			}
		})
		b.source.Add(job.Spec{})
		time.Sleep(time.Minute)
		if s := b.agent.Status(); len(s.Jobs) > 0 || s.JobsCompleted > 0 || !s.Resource.Throttled {
			t.Errorf("%+v", s)
		}
		shut.Store(false)
		if _, err := b.events.WaitFor(limit(t), event.JobCompleted); err != nil {
			t.Error(err)
		}
	})
}

// A job that was queued while the level fell is subject to the level at which its turn comes.
func TestQueuedJobThatTheLevelRefusesIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := newTroubled(t)
		b.scanner.SetCost(1, 10<<30) // the host has no memory for two of them
		b.scanner.Does(sdktest.After(release, sdktest.Finds(1)))
		first := b.source.Add(job.Spec{})[0]
		must(t, b.scanner.WaitRunning(limit(t), 1))
		second := b.source.Add(job.Spec{})[0]
		time.Sleep(time.Minute)
		b.store.Store(92)
		b.until(t, limits.LevelMinimal)
		if got := verbs(second.Calls()); got != "" || b.agent.Status().Resource.PendingJobs == 0 {
			t.Fatalf("second job is %q, want it queued; %+v", got, b.agent.Status().Resource)
		}
		close(release)
		must(t, first.WaitState(limit(t), sdktest.Acked))
		e, err := b.events.WaitFor(limit(t), event.JobFailed)
		must(t, err)
		if e.Error != "agent is minimal: store_percent 92 >= 90: no jobs with a reservation of 10240 MiB, over 512" || verbs(second.Calls()) != "nak" {
			t.Errorf("%+v, verbs %s", e, verbs(second.Calls()))
		}
	})
}

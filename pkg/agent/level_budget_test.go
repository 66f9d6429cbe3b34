package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// Waiting for a job is not a refusal, neither on an idle host nor while the agent is paused.
func TestAgentWithoutJobsRefusesNothing(t *testing.T) {
	for name, edit := range map[string]func(*agent.Config){
		"slots":   func(*agent.Config) {},
		"budgets": budgets(2, resource.Budget{Component: "a", Guaranteed: resource.Vector{Slots: 1}}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newTroubled(t, edit)
				time.Sleep(time.Hour)
				b.mb.Store(1)
				b.until(t, limits.LevelPaused)
				time.Sleep(time.Hour)
				if s := b.agent.Status().Resource; s.RejectedJobs != 0 || len(s.Refused) != 0 || s.ActiveJobs != 0 {
					t.Errorf("RejectedJobs = %d, %v; %d active; want 0", s.RejectedJobs, s.Refused, s.ActiveJobs)
				}
			})
		})
	}
}

// If half of the slots are never lent, jobs of other scanners are still done one by one at every level except paused.
func TestLowerLevelLeavesSlotsToAllComponents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTroubled(t, budgets(8, resource.Budget{Component: "kept", Guaranteed: resource.Vector{Slots: 4}, MaxLend: resource.Vector{Slots: -1}}))
		b.scanner.Does(sdktest.Finds(1))
		for _, x := range []struct {
			store int64
			level limits.Level
		}{{80, limits.LevelReduced}, {92, limits.LevelMinimal}} {
			b.store.Store(x.store)
			b.until(t, x.level)
			for _, j := range b.source.Add(job.Spec{Scanner: "other"}, job.Spec{Scanner: "kept"}, job.Spec{Scanner: "other"}) {
				must(t, j.WaitState(limit(t), sdktest.Acked))
			}
		}
		if s := b.agent.Status(); s.JobsCompleted != 6 || s.JobsFailed != 0 {
			t.Errorf("%d completed, %d failed; want 6 and 0", s.JobsCompleted, s.JobsFailed)
		}
	})
}

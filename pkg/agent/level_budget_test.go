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

// An agent without a job refuses nobody, however long it looks for one: not when it is idle, nor when it is paused.
func TestAnAgentWithoutJobsRefusesNobody(t *testing.T) {
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
					t.Errorf("%d refused, %v; %d active", s.RejectedJobs, s.Refused, s.ActiveJobs)
				}
			})
		})
	}
}

// Where half of the slots are never lent, jobs of other scanners are done at every level that does any, one after the other.
func TestALowerLevelLeavesSlotsToAllComponents(t *testing.T) {
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
			t.Errorf("%d completed, %d failed", s.JobsCompleted, s.JobsFailed)
		}
	})
}

package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/resource"
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

package agentcmd

import (
	"testing"

	"github.com/rediverio/sdk/pkg/agent"
)

// A job that waits does not run, and what never happened is not mentioned.
func TestStatusCountsJobs(t *testing.T) {
	for _, tt := range []struct {
		s    agent.Status
		want string
	}{
		{agent.Status{JobsCompleted: 3, JobsFailed: 1}, "0 running, 3 completed, 1 failed"},
		{agent.Status{Jobs: make([]agent.JobStatus, 6), JobsWaiting: 2, JobsReturned: 4}, "4 running, 2 waiting, 0 completed, 0 failed, 4 returned"},
	} {
		if got := jobsText(&tt.s); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

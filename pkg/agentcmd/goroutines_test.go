package agentcmd

import (
	"fmt"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// The number of jobs bounds the goroutines: a running job has at most limits.GoroutinesPerJob.
func TestJobsBoundGoroutines(t *testing.T) {
	t.Parallel()
	const jobs = 8
	h := newHome(t, scanners(t, fake(t, "hangs", scantest.Hang())))
	h.env = append(h.env, fmt.Sprintf("REDIVER_RESOURCE_MAX_CONCURRENT_JOBS=%d", jobs),
		"REDIVER_RESOURCE_CPU_THRESHOLD=-1", "REDIVER_RESOURCE_MEMORY_THRESHOLD=-1", "REDIVER_RESOURCE_SAMPLE_INTERVAL=50ms", "REDIVER_AGENT_DRAIN_TIMEOUT=10ms")
	d := h.daemon(h.to(ingesttest.New(t))...)
	idle := fewestGoroutines(t, d)
	for i := range jobs + 1 {
		dropJob(t, h.state, fmt.Sprint("job", i), "hangs", t.TempDir())
	}
	testkit.Eventually(t, "running jobs", func() bool { return len(d.status().Agent.Jobs) == jobs })
	running := fewestGoroutines(t, d)
	if s := d.status().Agent; len(s.Jobs) != jobs || s.Resource.MaxJobs != jobs {
		t.Errorf("%d jobs run of at most %d, want %d", len(s.Jobs), s.Resource.MaxJobs, jobs)
	}
	if took := running - idle; took > jobs*limits.GoroutinesPerJob {
		t.Errorf("%d jobs took %d goroutines; the limit reckons with %d each", jobs, took, limits.GoroutinesPerJob)
	}
	t.Logf("%d goroutines idle, %d with %d jobs", idle, running, jobs)
}

// fewestGoroutines is the least of several samples: a call that happens to be under way is no part of it.
func fewestGoroutines(t *testing.T, d *process) int {
	t.Helper()
	fewest, samples, last := 1<<30, 0, time.Time{}
	testkit.Eventually(t, "samples", func() bool {
		m := d.status().Agent.Resource.Metrics
		if m.Timestamp.After(last) && m.NumGoroutines > 0 {
			fewest, last = min(fewest, m.NumGoroutines), m.Timestamp
			samples++
		}
		return samples == 8
	})
	return fewest
}

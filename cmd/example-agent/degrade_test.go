package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// A daemon whose disk is under its floor, or that is paused for a drill, leaves the jobs where they are and says so.
func TestAPausedDaemonTakesNoJob(t *testing.T) {
	for name, env := range map[string][2]string{
		"full disk": {"REDIVER_LIMITS_FILE_SYSTEM_MIN_FREE_DISK_SPACE_MB=1073741824", "disk_free_mb"},
		"drill":     {"REDIVER_LIMITS_DEGRADATION_LEVEL=paused", "set by limits.degradation.level"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := ingesttest.New(t)
			h := newHome(t, scanners(t, fake(t, "good", scantest.Results(3))))
			h.env = append(h.env, env[0], "REDIVER_RESOURCE_SAMPLE_INTERVAL=50ms")
			d := h.daemon(h.to(srv)...)
			dropJob(t, h.state, "job", "good", t.TempDir())
			var s *daemonStatus
			from := time.Time{}
			until(t, "twenty samples of a paused agent", func() bool {
				s = d.status()
				if from.IsZero() {
					from = s.Agent.Resource.Metrics.Timestamp
				}
				return s.Agent.Resource.Metrics.Timestamp.Sub(from) > time.Second
			})
			if g := s.Agent.Degradation; g.Level != limits.LevelPaused || !strings.Contains(g.Reason, env[1]) || s.Agent.Phase != agent.PhaseRunning {
				t.Errorf("%+v", g)
			}
			if _, err := os.Stat(filepath.Join(h.state, "jobs", "job.json")); err != nil || len(s.Agent.Jobs) > 0 {
				t.Errorf("the job was taken: %v, %+v", err, s.Agent.Jobs)
			}
			h.run("status").want(exitRuntime, "NOT WELL", "paused since", env[1], "no new job; running jobs, uploads and the audit log go on")
			d.end()
			log, err := os.ReadFile(h.auditFile())
			if err != nil || strings.Count(string(log), `"type":"degradation_changed"`) != 1 || !strings.Contains(string(log), "the agent does less, paused after full") {
				t.Errorf("%v; the audit log is\n%s", err, log)
			}
		})
	}
}

// The table of docs/limits.md is the one of the code.
func TestDocsNameEveryDegradationRule(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(repoRoot, "docs", "limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range limits.DefaultRules() {
		wait := r.For.String()
		if r.For == 0 {
			wait = fmt.Sprint(limits.DefaultDegradationSamplesUp, " samples")
		}
		if row := fmt.Sprintf("| `%s` | %g | %g | %s | %s |\n", r.Metric, r.Raise, r.Clear, wait, r.Level); !strings.Contains(string(b), row) {
			t.Errorf("docs/limits.md has no row %s", row)
		}
	}
	for _, l := range limits.Levels() {
		if !strings.Contains(string(b), "\n| "+string(l)+" | ") {
			t.Errorf("docs/limits.md does not say what %s is", l)
		}
	}
}

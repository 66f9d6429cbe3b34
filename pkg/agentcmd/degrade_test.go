package agentcmd

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// A daemon whose disk is under its floor, or that is paused for a drill, leaves the jobs where they are, and its status shows it.
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
			testkit.Eventually(t, "twenty samples of a paused agent", func() bool {
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
			h.run("status").want(ExitRuntime, "NOT WELL", "paused since", env[1], "no new jobs; running jobs, uploads and the audit log continue")
			d.end()
			log, err := os.ReadFile(h.auditFile())
			if err != nil || strings.Count(string(log), `"type":"degradation_changed"`) != 1 || !strings.Contains(string(log), "level lowered from full to paused") {
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
			t.Errorf("docs/limits.md does not explain %s", l)
		}
	}
}

// The metrics in docs/limits.md are in the status of a daemon: limits by their names, the others by their paths.
func TestStatusHasTheMetricsOfTheDocs(t *testing.T) {
	t.Parallel()
	h := newHome(t, scanners(t, fake(t, "good", scantest.Results(3))))
	h.env = append(h.env, "REDIVER_LIMITS_MEMORY_HEAP_GUARD=true", "REDIVER_LIMITS_MEMORY_HEAP_SHARE=0.25",
		"REDIVER_LIMITS_FILE_SYSTEM_MIN_FREE_DISK_SPACE_MB=1", "REDIVER_RESOURCE_SAMPLE_INTERVAL=50ms")
	srv := ingesttest.New(t)
	d := h.daemon(h.to(srv)...)
	dropJob(t, h.state, "job", "good", t.TempDir())
	testkit.Eventually(t, "a report", func() bool { return srv.Stats("").Reports == 1 })
	have := map[string]limits.Usage{}
	for _, u := range d.status().Limits {
		have[u.Name] = u
	}
	for _, name := range []string{"memory.heap_guard", "memory.max_heap_size_mb", "file_system.min_free_disk_space_mb", "network.max_response_size_mb"} {
		if have[name].Used <= 0 || have[name].Limit <= 0 {
			t.Errorf("%s is not measured: %+v", name, have[name])
		}
	}
	b, err := os.ReadFile(filepath.Join(repoRoot, "docs", "limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	path, rows := regexp.MustCompile("`((?:agent|store)\\.[A-Za-z_.]+)`"), 0
	tables, _, _ := strings.Cut(string(b), "\n## Left out\n")
	for line := range strings.Lines(tables) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.TrimSpace(line), " | ")
		metric := cells[len(cells)-1]
		if name := strings.Trim(cells[0], "|` "); strings.Contains(metric, "`used`") || strings.Contains(metric, "`refused`") {
			if _, ok := have[name]; !ok {
				t.Errorf("the status has no limit %s", name)
			}
			rows++
		}
		for _, m := range path.FindAllStringSubmatch(metric, -1) {
			if !hasPath(reflect.TypeFor[daemonStatus](), strings.Split(m[1], ".")) {
				t.Errorf("the status has no %s", m[1])
			}
		}
	}
	if rows < 15 {
		t.Errorf("%d limits in the docs have a metric", rows)
	}
}

// hasPath says whether the JSON of a type has the names one below the other.
func hasPath(t reflect.Type, names []string) bool {
	if len(names) == 0 {
		return true
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); cmp.Or(tag, f.Name) == names[0] {
			return hasPath(f.Type, names[1:])
		}
	}
	return false
}

func TestValidateRejectsBudgetsThatExceedTheJobs(t *testing.T) {
	t.Parallel()
	h := newHome(t, scanners(t))
	write(t, h.config, "resource: {max_concurrent_jobs: 5, budgets: [{component: gitleaks, guaranteed: {slots: 6}}]}\n")
	h.run("validate").want(ExitConfig, "more than max_concurrent_jobs (5)")
	h = newHome(t, scanners(t))
	if out := h.run("validate", "-o", "json"); !strings.Contains(out.out, `"warnings": []`) {
		t.Errorf("validate -o json printed %s, want no warnings", out.out)
	}
}

// An operator's rules take the place of the default ones, and a wrong one is shown where it stands.
func TestDegradationRulesFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	write(t, path, `limits:
  degradation:
    rules:
      - {metric: cpu_percent, raise: 90, clear: 70, for: 2m, level: minimal}
      - {metric: disk_free_mb, raise: 5000, clear: 6000, hard: true, level: paused}
`)
	c, file, err := loadConfig(path, exampleApp, noEnv)
	if err != nil || c.check(exampleApp, file) != nil {
		t.Fatal(err, c.check(exampleApp, file))
	}
	want := []limits.Rule{
		{Metric: limits.MetricDiskFree, Raise: 1000, Clear: 1100, Hard: true, Level: limits.LevelPaused}, // min_free_disk_space_mb
		{Metric: limits.MetricCPU, Raise: 90, Clear: 70, For: 2 * time.Minute, Level: limits.LevelMinimal},
		{Metric: limits.MetricDiskFree, Raise: 5000, Clear: 6000, Hard: true, Level: limits.LevelPaused},
	}
	if got := c.Limits.DegradationConfig().Rules; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	write(t, path, "limits:\n  degradation:\n    rules:\n      - {metric: cpu_percent, raise: 90, clear: 95, level: minimal}\n")
	c, file, err = loadConfig(path, exampleApp, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.check(exampleApp, file); err == nil || !strings.Contains(err.Error(), "c.yaml:4:42: limits.degradation.rules.0.clear: 95 is outside 10 to 90") {
		t.Error(err)
	}
}

// With limits.memory.heap_guard no job starts while the heap is full of live objects.
func TestHeapGuardShutsTheGate(t *testing.T) {
	e := &engine{heap: limits.NewHeapGuard(limits.MemoryLimits{MaxHeapSizeMB: 16})}
	if err := e.gate(); err != nil {
		t.Errorf("before there is a number: %v", err)
	}
	alive := make([]byte, 32<<20)
	e.heap.Check()
	var limit *limits.LimitError
	if err := e.gate(); !errors.As(err, &limit) || limit.Field != "limits.memory.max_heap_size_mb" {
		t.Errorf("%v with %d bytes alive", err, len(alive))
	}
	alive[0] = 1
	if err := (&engine{}).gate(); err != nil {
		t.Errorf("without a guard: %v", err)
	}
}

// An unwell daemon says which limits were in the way.
func TestStatusShowsLimitsThatWereReached(t *testing.T) {
	var out strings.Builder
	a := &cli{App: exampleApp, out: &out}
	err := a.printStatus(&daemonStatus{AgentID: "a1", Limits: []limits.Usage{
		{Name: "network.max_total_connections", Used: 3, Limit: 100, Waited: 5}, {Name: "network.read_timeout", Limit: 30}}})
	if err != nil || !strings.Contains(out.String(), "  limit network.max_total_connections: 3 of 100, 0 refused, 5 waited\n") || strings.Contains(out.String(), "read_timeout") {
		t.Errorf("%v:\n%s", err, out.String())
	}
}

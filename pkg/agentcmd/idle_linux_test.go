package agentcmd

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
)

var idleFor = flag.Duration("idle", 3*time.Second, "how long the idle agent is watched")

// A real agent with all defaults that has nothing to do takes next to no CPU. The goal is under 1 % of a core; the test
// allows ten times as much, for machines that are slow and for the race detector.
func TestIdleAgentTakesNoCPU(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	write(t, h.config, "") // all defaults
	d := h.daemon(h.to(ingesttest.New(t))...)
	testkit.Eventually(t, "two samples of the host", func() bool { return d.status().Agent.Resource.Metrics.CPUSource != "" })

	before, began := cpuTime(t, d.cmd.Process.Pid), time.Now()
	time.Sleep(*idleFor)
	used, wall := cpuTime(t, d.cmd.Process.Pid)-before, time.Since(began)
	share := 100 * used.Seconds() / wall.Seconds()
	t.Logf("%v of CPU in %v idle with all defaults: %.2f %% of a core", used.Round(time.Microsecond), wall.Round(time.Millisecond), share)
	if share > 10 {
		t.Errorf("an idle agent takes %.1f %% of a core", share)
	}
	d.end()
}

// cpuTime is what all threads of a process have run so far, in nanoseconds: an idle one runs less than the kernel's ticks.
func cpuTime(t *testing.T, pid int) (sum time.Duration) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		t.Skipf("the kernel keeps no times of threads: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that has ended meanwhile
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			t.Fatalf("%s: %q", file, text)
		}
		sum += time.Duration(ns)
	}
	return sum
}

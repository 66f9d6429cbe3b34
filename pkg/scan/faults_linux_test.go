package scan_test

import (
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// slow is what a busy machine may take for a start, a stop or a look at the processes.
const slow = 30 * time.Second

// fault runs a scanner that misbehaves, and fails the test unless nothing of it is left, in processes or files, and the
// same runner goes on to run a good one.
func fault(t *testing.T, cfg scan.Config, do ...scantest.Behaviour) (*scan.Result, *scan.Error, *bench) {
	t.Helper()
	b := newBench(t, cfg, scantest.Definition(t, do...))
	id := rand.Text()
	res, err := b.Scan(t.Context(), scan.Request{Scanner: scantest.Name, Target: b.target, JobID: id}, b.rec.Open)
	var failed *scan.Error
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	if left := marked(id); len(left) > 0 {
		t.Errorf("still alive: %v", left)
	}
	if failed != nil && (failed.Process == nil || failed.Process.Survivors != 0) {
		t.Errorf("%+v", failed.Process)
	}
	b.clean(t)
	good := newBench(t, scan.Config{}, scantest.Definition(t, scantest.Results(1)))
	if res, err := good.scan(t.Context()); err != nil || res.Summary.Findings != 1 {
		t.Errorf("the next scan: %+v, %v", res, err)
	}
	return res, failed, b
}

// short returns less in a short run.
func short[T any](full, less T) T {
	if testing.Short() {
		return less
	}
	return full
}

// A grandchild that keeps standard output open keeps nobody waiting, deaf or not.
func TestHangWithAGrandchildOnStandardOutput(t *testing.T) {
	const limit = time.Second
	begun := time.Now()
	_, err, _ := fault(t, scan.Config{Timeout: limit, Grace: 200 * time.Millisecond},
		scantest.Stdout(), scantest.Hang(), scantest.IgnoreTerm(), scantest.Fork(1), scantest.Detach(1))
	if err == nil || err.Cause != scan.CauseTimeout || err.Process.Duration < limit {
		t.Fatalf("got %+v", err)
	}
	if took := time.Since(begun); took > limit+slow {
		t.Errorf("took %s, the grandchild hangs for ten minutes", took)
	}
	if !strings.Contains(err.Error(), "time limit of 1s") {
		t.Error(err)
	}
}

// A gigabyte of output ends at the limit, and is removed with the rest.
func TestFloodOfOutput(t *testing.T) {
	const limit = 8 << 20
	_, err, _ := fault(t, scan.Config{MaxOutputBytes: limit}, scantest.Flood(short[int64](1<<30, 256<<20)), scantest.Hang())
	if err == nil || err.Cause != scan.CauseOutput || err.Process.Signal != "killed" {
		t.Errorf("got %+v", err)
	}
}

// Five hundred processes are counted, are too many, and are gone.
func TestCrowd(t *testing.T) {
	n := short(500, 120)
	t.Run("limited", func(t *testing.T) {
		_, err, _ := fault(t, scan.Config{MaxProcesses: n / 2}, scantest.Crowd(n), scantest.Hang())
		if err == nil || err.Cause != scan.CauseProcesses || err.Process.PeakProcesses <= n/2 || err.Process.PeakThreads <= n/2 {
			t.Fatalf("got %+v", err)
		}
		if !strings.Contains(err.Error(), "processes, its limit is") {
			t.Error(err)
		}
	})
	t.Run("unlimited", func(t *testing.T) {
		res, err, _ := fault(t, scan.Config{MaxProcesses: -1}, scantest.Crowd(n))
		if err != nil {
			t.Fatal(err)
		}
		if p := res.Process; p.Leftovers != n || p.PeakProcesses != n+1 || p.Survivors != 0 {
			t.Errorf("got %+v, want %d leftovers", p, n)
		}
	})
}

// A scanner that takes a gigabyte where it may take a quarter of one is warned of, then stopped; the agent takes no
// part in it.
func TestMemoryHog(t *testing.T) {
	limit := short[int64](256<<20, 128<<20)
	before := resident(t)
	_, err, b := fault(t, scan.Config{MemoryLimitBytes: limit}, scantest.MemorySteps(16, limit/4, 50*time.Millisecond), scantest.Fork(1))
	if err == nil || err.Cause != scan.CauseMemory || err.Process.PeakMemory <= limit || err.Process.Signal != "killed" {
		t.Fatalf("got %+v", err)
	}
	if grown := resident(t) - before; grown > limit/2 {
		t.Errorf("the agent grew by %d bytes", grown)
	}
	var warned []event.Event
	for _, e := range b.sink.events {
		if e.Type == event.ResourceWarning {
			warned = append(warned, e)
		}
	}
	if len(warned) != 1 || warned[0].Details["resource"] != "scanner_memory" || warned[0].Details["limit"] != limit/10*8 ||
		warned[0].Details["value"].(int64) <= limit/10*8 || warned[0].Severity != event.Warn {
		t.Errorf("warned %+v", warned)
	}
}

// resident is the memory of this process.
func resident(t *testing.T) (bytes int64) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var pages int64
	for _, c := range strings.Fields(string(b))[1] {
		pages = 10*pages + int64(c-'0')
	}
	return pages * int64(os.Getpagesize())
}

func TestCPULimitOfAScan(t *testing.T) {
	_, err, _ := fault(t, scan.Config{CPULimit: 300 * time.Millisecond, SampleInterval: 50 * time.Millisecond}, scantest.Work(1<<20))
	if err == nil || err.Cause != scan.CauseCPU || err.Process.CPU < 300*time.Millisecond || !strings.Contains(err.Error(), "its limit is 300ms") {
		t.Errorf("got %+v", err)
	}
}

func TestStuckScan(t *testing.T) {
	_, err, _ := fault(t, scan.Config{StuckTimeout: time.Second}, scantest.Hang(), scantest.Fork(1))
	if err == nil || err.Cause != scan.CauseStuck || !strings.Contains(err.Error(), "wrote nothing for 1s") || err.Temporary() {
		t.Errorf("got %+v", err)
	}
}

// Half a report counts as that where the exit code is one of findings, and as nothing where it is a failure.
func TestHalfAReport(t *testing.T) {
	const half = `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"fake"}},"results":[{"message":{"text":"one"}},{"message":{"te`
	res, err, b := fault(t, scan.Config{}, scantest.Sarif(half), scantest.Exit(scantest.FindingsCode))
	if err != nil || !res.Partial || res.Summary.Findings != 1 || b.rec.Report.Metadata.CoverageType != report.CoveragePartial {
		t.Errorf("got %+v, %v", res, err)
	}
	_, err, b = fault(t, scan.Config{}, scantest.Sarif(half), scantest.Exit(1))
	if err == nil || err.Cause != scan.CauseExit || b.rec.Opened != 0 {
		t.Errorf("got %+v", err)
	}
}

// What was used is in the result, the events and the report, with the same numbers.
func TestUsageIsTold(t *testing.T) {
	b := newBench(t, scan.Config{}, scantest.Definition(t, scantest.Work(64), scantest.Fork(1), scantest.Results(1)))
	res, err := b.scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := res.Process
	if p.CPU < (p.UserCPU+p.SystemCPU)/2 || p.CPU <= 0 || p.PeakMemory <= 0 || p.PeakProcesses < 2 || p.PeakThreads < p.PeakProcesses {
		t.Errorf("process %+v", p)
	}
	done := b.sink.events[len(b.sink.events)-1]
	for key, want := range map[string]any{
		"cpu_ms": p.CPU.Milliseconds(), "peak_memory_bytes": p.PeakMemory, "peak_processes": p.PeakProcesses,
		"peak_threads": p.PeakThreads, "leftovers": 1, "exit_code": scantest.FindingsCode,
	} {
		if got := done.Details[key]; got != want {
			t.Errorf("event: %s is %v, want %v", key, got, want)
		}
		if got := b.rec.Report.Metadata.Properties[key]; got != want {
			t.Errorf("report: %s is %v, want %v", key, got, want)
		}
	}
	if files := b.rec.Report.Metadata.Properties["target_files"]; files != 1 || b.sink.events[0].Details["target_files"] != 1 {
		t.Errorf("%v files in the target", files)
	}
}

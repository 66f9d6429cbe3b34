package scan_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// What a scanner uses is told while it grows, and 0 at its end.
func TestMemoryIsToldWhileTheScannerGrows(t *testing.T) {
	const step = 64 << 20
	cfg := scan.Config{SampleInterval: 50 * time.Millisecond}
	b := newBench(t, cfg, scantest.Definition(t, scantest.MemorySteps(3, step, 700*time.Millisecond)))
	var told []int64
	res, err := b.Scan(t.Context(), scan.Request{
		Scanner: scantest.Name, Target: b.target, JobID: "job-1",
		OnMemory: func(bytes int64) { told = append(told, bytes) },
	}, b.rec.Open)
	if err != nil {
		t.Fatal(err)
	}
	if len(told) < 4 || told[len(told)-1] != 0 {
		t.Fatalf("told %v", told)
	}
	steps, level := 0, int64(0)
	for _, b := range told { // each step was seen before the next, some of it perhaps half done
		if b >= level+step/2 {
			steps, level = steps+1, b
		}
	}
	if steps < 3 || slices.Max(told) < 3*step {
		t.Errorf("%d steps of %d bytes were told: %v", steps, step, told)
	}
	if peak := slices.Max(told); res.Process.PeakMemory < peak {
		t.Errorf("the peak is %d, and %d was told", res.Process.PeakMemory, peak)
	}
}

// What a scanner took is what the next scan is expected to take, also after a restart, where nothing is declared.
func TestCostIsLearned(t *testing.T) {
	const took = 300 << 20
	cfg := scan.Config{LearnFile: filepath.Join(t.TempDir(), "learned.json")}
	b := newBench(t, cfg, scantest.Definition(t, scantest.MemorySteps(1, took, 700*time.Millisecond)))
	if c := b.Cost(scantest.Name, b.target); c.MemoryBytes != 0 || c.Learned {
		t.Fatalf("%+v before the first scan", c)
	}
	res, err := b.scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	about := func(b *bench) {
		t.Helper()
		if c := b.Cost(scantest.Name, b.target); !c.Learned || c.MemoryBytes < took || c.MemoryBytes != res.Process.PeakMemory {
			t.Errorf("%+v after a scan that took %d", c, took)
		}
	}
	about(b)
	about(newBench(t, cfg, scantest.Definition(t)))

	cfg.LearnScans = -1
	if c := newBench(t, cfg, scantest.Definition(t)).Cost(scantest.Name, b.target); c.MemoryBytes != 0 || c.Learned {
		t.Errorf("%+v where nothing is learned", c)
	}
}

// A scan that failed early says nothing of what a scan takes.
func TestFailedScansTeachNothing(t *testing.T) {
	b := newBench(t, scan.Config{}, scantest.Definition(t, scantest.Exit(3)))
	if _, err := b.scan(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if c := b.Cost(scantest.Name, b.target); c.Learned {
		t.Errorf("%+v", c)
	}
}

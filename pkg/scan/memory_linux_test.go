package scan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// What a scanner uses is told while it grows, and 0 at its end.
func TestMemoryIsToldWhileTheScannerGrows(t *testing.T) {
	const step = 64 << 20
	b := newBench(t, scan.Config{}, scantest.Definition(t, scantest.MemorySteps(3, step, 700*time.Millisecond)))
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
	for n := range int64(3) { // each step was seen, before the next
		if !slices.ContainsFunc(told, func(b int64) bool { return b >= (n+1)*step && b < (n+2)*step }) {
			t.Errorf("step %d of %d bytes was not told: %v", n+1, step, told)
		}
	}
	if peak := slices.Max(told); res.Process.PeakMemory < peak {
		t.Errorf("the peak is %d, and %d was told", res.Process.PeakMemory, peak)
	}
}

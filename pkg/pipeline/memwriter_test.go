package pipeline

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// MaxQueueBytes counts the compressed parts of a streamed report, so nothing else may stay in memory.
func TestWaitingStreamedReportKeepsOnlyItsParts(t *testing.T) {
	p := NewPipeline(nil, UploaderFunc(func(context.Context, *part.Part) (*Result, error) { return nil, nil }))
	const reports = 20
	before := heapInUse()
	for range reports {
		w, err := p.NewWriter(t.Context(), &report.Report{})
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 { // 2 MB of JSON that compress well
			if err := w.AddFinding(&report.Finding{Title: "t", RuleID: "r", Severity: report.Low, Description: string(make([]byte, 300))}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if grown, counted := heapInUse()-before, p.GetStats().TotalBytes; grown > 4*counted+8<<20 {
		t.Errorf("%d reports keep %d bytes in memory, %d are counted; want about as many", reports, grown, counted)
	}
	var unsent *UnsentError
	if err := p.Stop(t.Context()); !errors.As(err, &unsent) || len(unsent.ReportIDs) != reports {
		t.Error(err)
	}
}

// heapInUse returns the bytes in use. The second collection frees what is in pools.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

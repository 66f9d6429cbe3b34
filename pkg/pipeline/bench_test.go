package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/report"
)

// BenchmarkSubmit compares what Submit costs its caller, without a durable spool, with encoding the same report once.
// Only the time within Submit counts: the workers encode and drain outside the timer. x_encode is the ratio.
func BenchmarkSubmit(b *testing.B) {
	for _, n := range []int{50, 2000} {
		r := testReport("r", n)
		encode := 0.0 // ns
		b.Run(fmt.Sprintf("encode/%d_findings", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := json.Marshal(r); err != nil {
					b.Fatal(err)
				}
			}
			encode = float64(b.Elapsed().Nanoseconds()) / float64(b.N)
		})
		b.Run(fmt.Sprintf("submit/%d_findings", n), func(b *testing.B) {
			b.ReportAllocs()
			const batch = 200 // queued before they are drained
			var p *Pipeline
			for i := range b.N {
				if i%batch == 0 {
					b.StopTimer()
					drainAll(b, p)
					p = NewPipeline(&PipelineConfig{MaxQueueBytes: math.MaxInt32}, UploaderFunc(func(context.Context, *report.Part) (*Result, error) { return nil, nil }))
					b.StartTimer()
				}
				if _, err := p.Submit(r); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			drainAll(b, p)
			if encode > 0 {
				b.ReportMetric(encode/(float64(b.Elapsed().Nanoseconds())/float64(b.N)), "x_encode")
			}
		})
	}
}

// drainAll uploads everything and stops the pipeline.
func drainAll(b *testing.B, p *Pipeline) {
	b.Helper()
	if p == nil {
		return
	}
	if err := p.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	if err := p.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
	if s := p.GetStats(); s.Completed != s.Submitted {
		b.Fatalf("%+v", s)
	}
}

// BenchmarkThroughput is the whole way of a small report in memory: submitted, encoded, uploaded to nowhere.
func BenchmarkThroughput(b *testing.B) {
	p := start(b, PipelineConfig{QueueSize: 1 << 31, MaxQueueBytes: 1 << 50}, UploaderFunc(func(context.Context, *report.Part) (*Result, error) { return nil, nil }))
	r := testReport("r", 50)
	begun := time.Now()
	for b.Loop() {
		if _, err := p.Submit(r); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(p.GetStats().Completed)/time.Since(begun).Seconds(), "reports/s")
}

package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// BenchmarkSubmit compares the time that Submit takes, without a durable spool, with the time to encode the same report.
// ns/op of submit is the time of one Submit in the median batch, and x_encode is how many times faster than encoding it is.
func BenchmarkSubmit(b *testing.B) {
	for _, n := range []int{50, 2000} {
		r := testReport("r", n)
		var encode time.Duration
		b.Run(fmt.Sprintf("encode/%d_findings", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := json.Marshal(r); err != nil {
					b.Fatal(err)
				}
			}
			encode = b.Elapsed() / time.Duration(b.N)
		})
		b.Run(fmt.Sprintf("submit/%d_findings", n), func(b *testing.B) {
			batch := max(50, 25_000/n) // queued, then encoded and uploaded while the clock is stopped
			var batches []time.Duration
			for b.Loop() {
				p := NewPipeline(nil, UploaderFunc(func(context.Context, *part.Part) (*Result, error) { return nil, nil }))
				runtime.GC() // the garbage of the drain must not be charged to Submit
				begun := time.Now()
				for range batch {
					if _, err := p.Submit(r); err != nil {
						b.Fatal(err)
					}
				}
				batches = append(batches, time.Since(begun))
				drainAll(b, p)
			}
			slices.Sort(batches)
			one := float64(batches[len(batches)/2]) / float64(batch)
			b.ReportMetric(one, "ns/op")
			b.ReportMetric(float64(encode)/one, "x_encode")
		})
	}
}

// drainAll uploads everything and stops the pipeline.
func drainAll(b *testing.B, p *Pipeline) {
	b.Helper()
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

// BenchmarkThroughput submits and encodes a small report in memory and passes it to an Uploader that does nothing.
func BenchmarkThroughput(b *testing.B) {
	p := start(b, PipelineConfig{QueueSize: math.MaxInt32, MaxQueueBytes: 1 << 50}, UploaderFunc(func(context.Context, *part.Part) (*Result, error) { return nil, nil }))
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

// BenchmarkDrain measures the pipeline itself: the parts are encoded before and passed to an Uploader that does nothing.
func BenchmarkDrain(b *testing.B) {
	for _, workers := range []int{1, 3} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			p := NewPipeline(&PipelineConfig{Workers: workers, QueueSize: math.MaxInt32, MaxQueueBytes: 1 << 50}, UploaderFunc(func(context.Context, *part.Part) (*Result, error) { return nil, nil }))
			for range b.N {
				w, err := p.NewWriter(context.Background(), &report.Report{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			drainAll(b, p)
		})
	}
}

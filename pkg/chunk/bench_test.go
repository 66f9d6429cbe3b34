package chunk

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rediverio/sdk/pkg/part"
)

func benchStore(b *testing.B) *Manager {
	return open(b, Config{AutoCleanupOnUpload: true, CleanupOnReportComplete: true, MaxStorageMB: -1, MaxConcurrentUploads: 1024})
}

func BenchmarkSubmitReport(b *testing.B) {
	for _, n := range []int{100, 2000, 20_000} {
		b.Run(fmt.Sprint(n, "_findings"), func(b *testing.B) {
			m := benchStore(b)
			r := testReport("r", n)
			b.ReportAllocs()
			for i := range b.N {
				r.Metadata.ID = fmt.Sprint("r", i)
				submit(b, m, r)
			}
			b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "findings/s")
		})
	}
}

// BenchmarkDrain200 leases and settles 200 small reports, by one worker and by eight.
func BenchmarkDrain200(b *testing.B) {
	for _, workers := range []int{1, 8} {
		b.Run(fmt.Sprint(workers, "_workers"), func(b *testing.B) {
			m := benchStore(b)
			for i := range b.N {
				b.StopTimer()
				for k := range 200 {
					submit(b, m, testReport(fmt.Sprintf("r%d-%d", i, k), 10))
				}
				b.StartTimer()
				var all sync.WaitGroup
				var n atomic.Int64
				for range workers {
					all.Go(func() { n.Add(int64(len(drain(b, m)))) })
				}
				if all.Wait(); n.Load() != 200 {
					b.Fatal(n.Load())
				}
			}
			b.ReportMetric(200*float64(b.N)/b.Elapsed().Seconds(), "parts/s")
		})
	}
}

// BenchmarkDurableSubmit is what a caller waits until a small report is on disk, alone and in company.
func BenchmarkDurableSubmit(b *testing.B) {
	for _, producers := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(producers, "_producers"), func(b *testing.B) {
			m := benchStore(b)
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range producers {
				all.Go(func() {
					r := testReport("r", 10)
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						r.Metadata.ID = fmt.Sprint("r", n)
						if _, err := m.Put(b.Context(), r, part.Envelope{}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reports/s")
		})
	}
}

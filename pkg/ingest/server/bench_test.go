package server

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/part"
)

// BenchmarkIngestParts measures parts of 500 findings from the client to the disk, over a socket: of a first
// scan, and of the next one, which finds the same.
func BenchmarkIngestParts(b *testing.B) {
	_, url := newServer(b, nil)
	c := newClient(b, url, tokenA)
	for _, name := range []string{"first", "again"} {
		b.Run(name, func(b *testing.B) {
			parts := split(b, sample(fmt.Sprintf("%s-%d", name, b.N), b.N*500), 500)
			b.SetBytes(parts[0].RawSize)
			b.ReportAllocs()
			b.ResetTimer()
			for _, p := range parts[:len(parts)-1] {
				upload(b, c, p)
			}
			last := time.Now()
			upload(b, c, parts[len(parts)-1])
			b.ReportMetric(float64(time.Since(last).Milliseconds()), "ms/completion")
			b.ReportMetric(float64(len(parts)*500)/b.Elapsed().Seconds(), "findings/s")
		})
	}
}

// BenchmarkSmallReports measures whole reports of 5 findings from 16 agents at once.
func BenchmarkSmallReports(b *testing.B) {
	_, url := newServer(b, nil)
	c := newClient(b, url, tokenA)
	parts := make(chan *part.Part, b.N)
	for i := range b.N {
		parts <- split(b, sample(fmt.Sprintf("r%d", i), 5), 100)[0]
	}
	close(parts)
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Upload(context.Background(), <-parts); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkReadDocument measures the decoding of a part of 500 findings alone.
func BenchmarkReadDocument(b *testing.B) {
	p := split(b, sample("r", 500), 500)[0]
	b.SetBytes(p.RawSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readBytes(p.Encoding, p.Data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAuditPut stores batches of 1000 lines of an audit log: ns/op is of one line.
func BenchmarkAuditPut(b *testing.B) {
	_, url := newServer(b, nil)
	log := chained(auditGenesis, 1, b.N, "a line as long as most are, with a little more said than needed, to be as long as most are")
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += 1000 {
		if status, _, refused := sendAudit(b, url, "one", "", log[i:min(i+1000, b.N)]...); status != 201 {
			b.Fatal(status, refused)
		}
	}
}

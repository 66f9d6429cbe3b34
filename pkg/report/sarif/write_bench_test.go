package sarif

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/report"
)

// BenchmarkWriter reads 10,000 results and writes their findings, directly and after a round trip through JSON.
// import/export is the ratio of the times of reading and writing, which alternate so that load affects both.
func BenchmarkWriter(b *testing.B) {
	data := log(10_000)
	for _, from := range []string{"reader", "store"} {
		b.Run(from, func(b *testing.B) {
			var reading, writing time.Duration
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				begun := time.Now()
				findings := read(b, data)
				reading += time.Since(begun)
				if from == "store" {
					findings = stored(b, findings)
				}
				begun = time.Now()
				write(b, io.Discard, findings)
				writing += time.Since(begun)
			}
			b.ReportMetric(reading.Seconds()/writing.Seconds(), "import/export")
			b.ReportMetric(float64(writing.Microseconds())/float64(10_000*b.N), "µs-export/finding")
		})
	}
}

func read(t testing.TB, data []byte) (findings []*report.Finding) {
	f, err := Open(bytes.NewReader(data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Findings(func(fd *report.Finding) error { findings = append(findings, fd); return nil }); err != nil {
		t.Fatal(err)
	}
	return findings
}

func write(t testing.TB, to io.Writer, findings []*report.Finding) {
	w := NewWriter(to)
	for _, f := range findings {
		if err := w.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

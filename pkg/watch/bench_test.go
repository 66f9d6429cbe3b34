package watch

import (
	"testing"
	"time"
)

// What a look at all processes of the host costs, with one rule and a look for orphans.
func BenchmarkLook(b *testing.B) {
	if !Supported() {
		b.Skip("there is nothing to watch on this system")
	}
	w, err := New(Config{Orphans: true, Rules: []Rule{{Pattern: "no such (program|command)", MaxAge: time.Hour}}})
	if err != nil {
		b.Fatal(err)
	}
	seen := 0
	for b.Loop() {
		look, err := w.LookAtProcesses(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		seen = look.Seen
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(seen), "µs/process")
}

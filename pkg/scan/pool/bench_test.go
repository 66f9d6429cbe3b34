//go:build unix

package pool

import (
	"testing"
)

// What a call to a server that runs already costs, and what it costs to start one for it.
func BenchmarkCall(b *testing.B) {
	for name, calls := range map[string]int{"kept": 0, "started": 1} {
		b.Run(name, func(b *testing.B) {
			c := server("")
			c.Max, c.MaxCalls = 1, calls
			p, err := New(c)
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close(b.Context())
			if err := p.Start(b.Context()); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := p.Call(b.Context(), "echo", 1, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

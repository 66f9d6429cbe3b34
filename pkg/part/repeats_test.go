package part

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

// The set behaves like a map, for random hashes and for hashes chosen to collide.
func TestHashSet(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for name, next := range map[string]func() uint64{
		"random":  r.Uint64,
		"repeats": func() uint64 { return r.Uint64N(500) * 0x9e3779b97f4a7c15 },
		"small":   func() uint64 { return r.Uint64N(3000) },
		"large":   func() uint64 { return ^r.Uint64N(3000) },
	} {
		var s hashSet
		known := map[uint64]bool{}
		for i := range 20000 {
			h := max(next(), 1)
			if s.add(h) == known[h] {
				t.Fatalf("%s: add(%x), call %d, = %v, want %v", name, h, i, known[h], !known[h])
			}
			known[h] = true
		}
	}
	var s hashSet
	if !s.add(0) || s.add(0) {
		t.Error("add(0) twice did not return true, then false")
	}
}

func TestHashSetIsCompact(t *testing.T) {
	var s hashSet
	r := rand.New(rand.NewPCG(7, 8))
	const n = 1_000_000
	for range n {
		s.add(r.Uint64())
	}
	size := unsafe.Sizeof(*s.shards)
	for _, t := range s.shards {
		size += uintptr(8 * cap(t.slots))
	}
	if size > 13*n {
		t.Errorf("%d hashes use %d bytes", n, size)
	}
}

func BenchmarkHashSet(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 9))
	for b.Loop() {
		var s hashSet
		for range 1_000_000 {
			s.add(r.Uint64())
		}
	}
}

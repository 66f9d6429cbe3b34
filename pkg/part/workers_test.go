package part

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/rediverio/sdk/pkg/report"
)

// The number of workers has no effect on the parts.
func TestWorkersDoNotAffectParts(t *testing.T) {
	for seed := range uint64(10) {
		rep := randomReport(rand.New(rand.NewPCG(seed, 21)), 700, 60, 90)
		cfg := SplitConfig{MinFindings: 50, MaxFindings: 20, Workers: 1}
		want, wantSum := mustSplit(t, rep, cfg)
		for _, cfg.Workers = range []int{2, 3, 64} {
			if got, sum := mustSplit(t, rep, cfg); !reflect.DeepEqual(got, want) || !reflect.DeepEqual(sum, wantSum) {
				t.Fatalf("seed %d: parts of %d workers differ from those of one", seed, cfg.Workers)
			}
		}
	}
}

// Splitters can be used in different testing/synctest bubbles, as in the tests of a user.
func TestSplitInSynctestBubbles(t *testing.T) {
	rep := randomReport(rand.New(rand.NewPCG(2, 21)), 300, 10, 10)
	split := func(t *testing.T) { mustSplit(t, rep, SplitConfig{MinFindings: 10, MaxFindings: 10, Workers: 8}) }
	for range 5 {
		split(t)
		synctest.Test(t, split)
	}
}

// add adds findings, and returns the first error.
func add(s *Splitter, findings int) error {
	for i := range findings {
		if err := s.AddFinding(finding(i)); err != nil {
			return err
		}
	}
	return nil
}

// working reports whether a goroutine is making a part.
func working() bool {
	stacks := make([]byte, 1<<20)
	return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("(*draft).make"))
}

// However a Splitter ends, its workers have ended too, and no part is emitted and no item accepted afterwards.
func TestEndWaitsForWorkers(t *testing.T) {
	for name, end := range map[string]func(*Splitter) error{
		"close":             func(s *Splitter) error { _, err := s.Close(); return err },
		"abort":             func(s *Splitter) error { s.Abort(); s.Abort(); return nil },
		"abort after close": func(s *Splitter) error { _, err := s.Close(); s.Abort(); return err },
	} {
		for _, fail := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " emit fails=", fail), func(t *testing.T) { endsCleanly(t, end, fail) })
		}
	}
}

func endsCleanly(t *testing.T, end func(*Splitter) error, fail bool) {
	full := errors.New("disk full")
	emitted := 0
	s, err := NewSplitter(head(), SplitConfig{MinFindings: 1, MaxFindings: 100, Workers: 4}, func(p *Part) error {
		if p.Index != emitted {
			t.Errorf("part %d is emitted after %d others", p.Index, emitted)
		}
		if emitted++; fail && emitted == 2 {
			return full
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(add(s, 1000), end(s))
	if working() {
		t.Error("a part is still being made")
	}
	if errors.Is(err, full) != fail || fail && emitted != 2 {
		t.Errorf("%v after %d parts", err, emitted)
	}
	if err := s.AddFinding(finding(0)); err == nil {
		t.Error("a finding is taken after the end")
	}
	if _, err := s.Close(); err == nil {
		t.Error("it closes a second time")
	}
}

// When a report reaches a Min threshold, the parts made of held items are emitted at once.
func TestHeldItemsAreEmitted(t *testing.T) {
	emitted := 0
	s, err := NewSplitter(head(), SplitConfig{MinFindings: 250, MaxFindings: 100, Workers: 4}, func(*Part) error { emitted++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Abort()
	if err := add(s, 249); err != nil || emitted != 0 {
		t.Fatalf("below the minimum %d parts were emitted, want 0; error %v", emitted, err)
	}
	if err := add(s, 1); err != nil || emitted != 2 {
		t.Errorf("at the minimum %d parts were emitted, want 2; error %v", emitted, err)
	}
}

// Content and keys depend on the JSON of a report, not on its compression.
func TestKeysDoNotDependOnCompression(t *testing.T) {
	rep := randomReport(rand.New(rand.NewPCG(8, 8)), 300, 10, 10)
	cfg := SplitConfig{MinFindings: 10, MaxFindings: 30}
	want, sum := mustSplit(t, rep, cfg)
	cfg.CompressionLevel = 9
	got, other := mustSplit(t, rep, cfg)
	differ := false
	for i, p := range got {
		if p.Key != want[i].Key {
			t.Errorf("part %d has key %s at level 9, %s at 3", i, p.Key, want[i].Key)
		}
		if p.SHA256 != sha256.Sum256(p.Data) {
			t.Errorf("part %d: SHA256 does not match Data", i)
		}
		differ = differ || !bytes.Equal(p.Data, want[i].Data)
	}
	if sum.Content != other.Content || !differ {
		t.Errorf("content %x and %x, the data differ: %v", sum.Content[:4], other.Content[:4], differ)
	}
}

// BenchmarkStream measures time and memory for a large report whose findings have no fingerprints.
func BenchmarkStream(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint("findings=", n), func(b *testing.B) {
			f := *usual(1).Findings[0]
			f.Fingerprint, f.AssetRef, f.Location = "", "", &report.Location{Path: "a.go"}
			for b.Loop() {
				var before, now runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				var peak uint64
				s, err := NewSplitter(head(), SplitConfig{}, func(p *Part) error {
					if p.Index%100 == 0 {
						runtime.ReadMemStats(&now)
						peak = max(peak, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
				for i := range n {
					f.Location.StartLine = i + 1
					if err := s.AddFinding(&f); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/finding")
		})
	}
}

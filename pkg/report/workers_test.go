package report

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// Who makes the parts must not show in them.
func TestWorkersMakeTheSameParts(t *testing.T) {
	for seed := range uint64(10) {
		rep := randomReport(rand.New(rand.NewPCG(seed, 21)), 700, 60, 90)
		cfg := SplitConfig{MinFindings: 50, MaxFindings: 20, Workers: 1}
		want, wantSum := mustSplit(t, rep, cfg)
		for _, cfg.Workers = range []int{2, 3, 64} {
			if got, sum := mustSplit(t, rep, cfg); !reflect.DeepEqual(got, want) || !reflect.DeepEqual(sum, wantSum) {
				t.Fatalf("seed %d: %d workers made other parts", seed, cfg.Workers)
			}
		}
	}
}

// add adds findings until there is an error, and returns it.
func add(s *Splitter, findings int) error {
	for i := range findings {
		if err := s.AddFinding(finding(i)); err != nil {
			return err
		}
	}
	return nil
}

// working says whether a part is being made somewhere.
func working() bool {
	stacks := make([]byte, 1<<20)
	return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("(*draft).make"))
}

// Whatever ends a splitter, nobody works on its parts any more, and nothing more is emitted or taken.
func TestEveryEndWaitsForTheWorkers(t *testing.T) {
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

// The content of a report is its JSON: how well it was compressed does not matter.
func TestKeysDoNotDependOnTheCompression(t *testing.T) {
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
			t.Errorf("part %d: the hash is not that of its data", i)
		}
		differ = differ || !bytes.Equal(p.Data, want[i].Data)
	}
	if sum.Content != other.Content || !differ {
		t.Errorf("content %x and %x, the data differ: %v", sum.Content[:4], other.Content[:4], differ)
	}
}

// A finding, its asset and the head are each within max_item_bytes, and too much together.
func TestNoPartIsOverWhatAReceiverTakes(t *testing.T) {
	rep := head()
	rep.Tool.Properties = Properties{"rules": noise(3 << 20)}
	var parts []*Part
	s, err := NewSplitter(rep, SplitConfig{}, func(p *Part) error { parts = append(parts, p); return nil })
	if err != nil {
		t.Fatal(err)
	}
	large := func(mb int, ref string) *Finding {
		return &Finding{Type: TypeSecret, Title: "t", Severity: High, AssetRef: ref, Description: noise(mb << 20)}
	}
	if err := s.AddAsset(&Asset{ID: "a", Type: "host", Value: "v", Description: noise(3 << 20)}); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"finding 0 with its asset, tool and metadata": s.AddFinding(large(2, "a")),
		"finding 0 with tool and metadata":            s.AddFinding(large(5, "")),
		"asset 1 with tool and metadata":              s.AddAsset(&Asset{Type: "host", Value: "w", Description: noise(5 << 20)}),
		"dependency 0 with tool and metadata":         s.AddDependency(&Dependency{Name: "d", Path: noise(5 << 20)}),
	} {
		var tl *TooLargeError
		if !errors.As(err, &tl) || tl.Item != what || tl.Bound != maxPart || tl.Size <= maxPart || strings.Contains(err.Error(), "max_item") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := errors.Join(s.AddFinding(large(1, "a")), s.AddFinding(large(4, "")), s.AddFinding(large(2, ""))); err != nil {
		t.Fatal(err)
	}
	sum, err := s.Close()
	if err != nil || sum.Findings != 3 || sum.Assets != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	for _, p := range parts {
		if p.RawSize > maxPart || int64(len(p.Data)) > maxPart {
			t.Errorf("part %d has %d bytes, %d compressed", p.Index, p.RawSize, len(p.Data))
		}
		if _, err := p.Report(); err != nil {
			t.Error(err)
		}
	}
}

// A report under the Min thresholds stays whole only where its head leaves room for it.
func TestALargeHeadSplitsASmallReport(t *testing.T) {
	rep := head()
	rep.Properties = Properties{"note": noise(6 << 20)}
	for i := range 4 {
		rep.Findings = append(rep.Findings, finding(i))
		rep.Findings[i].Description = noise(1 << 20)
	}
	parts, sum := mustSplit(t, rep, SplitConfig{})
	if len(parts) < 2 || sum.Findings != 4 {
		t.Fatalf("%d parts, %+v", len(parts), sum)
	}
	for _, p := range parts {
		if p.RawSize > maxPart {
			t.Errorf("part %d has %d bytes", p.Index, p.RawSize)
		}
	}
}

// A head that grows while its report is written ends the report, not the receiver.
func TestAHeadThatGrewIsAnError(t *testing.T) {
	s, err := NewSplitter(head(), SplitConfig{MinFindings: 1}, func(*Part) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddFinding(&Finding{Type: TypeSecret, Title: "t", Severity: High, Description: noise(6 << 20)}); err != nil {
		t.Fatal(err)
	}
	s.Head().Tool = &Tool{Name: "t", Properties: Properties{"x": noise(2 << 20)}}
	var tl *TooLargeError
	if _, err := s.Close(); !errors.As(err, &tl) || tl.Bound != maxPart {
		t.Errorf("got %v", err)
	}
}

// BenchmarkStream is the import of a large report, with the memory it holds. Its findings have no fingerprints.
func BenchmarkStream(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint("findings=", n), func(b *testing.B) {
			f := *usual(1).Findings[0]
			f.Fingerprint, f.AssetRef, f.Location = "", "", &Location{Path: "a.go"}
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

package sarif

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/report"
)

// TestAnyOrderAnyMix reads files with members in random order and with good, odd and bad results, and compares the findings
// with the results that were written.
func TestAnyOrderAnyMix(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	bad := []string{`{"a":NaN}`, "{\"a\":\"\x02\"}", `7`, `null`, `{"ruleId":"` + strings.Repeat("y", 3000) + `"}`, `{"a":{"b"}}`}
	for range 300 {
		var want []string
		quarantined := 0
		var runs []string
		for range rng.IntN(4) {
			var results []string
			for range rng.IntN(30) {
				if rng.IntN(5) == 0 {
					results = append(results, bad[rng.IntN(len(bad))])
					quarantined++
					continue
				}
				id := fmt.Sprintf("%q", fmt.Sprintf(`R"%d,]}\`, rng.IntN(1e6)))
				want = append(want, id)
				results = append(results, shuffled(rng, `"ruleId":`+id, `"message":{"text":"]}\",{["}`, `"x":[[],{},[{"y":[]}]]`))
			}
			runs = append(runs, shuffled(rng,
				`"tool":`+shuffled(rng, `"driver":`+shuffled(rng, `"name":"t"`, `"rules":[{"id":"A"},{}]`), `"more":[]`),
				`"results":[`+strings.Join(results, " ,\n")+`]`, `"artifacts":[{"location":{"uri":"a"}},5]`, `"properties":{"metrics":{"a":[1,2,{"b":"}"}]}}`))
		}
		in := shuffled(rng, `"version":"2.1.0"`, `"$schema":"x"`, `"runs":[`+strings.Join(runs, ",")+`]`, `"properties":{"runs":[1]}`)
		sum, got, err := check(t, []byte(in), Options{Limits: Limits{MaxResultBytes: 2048}})
		if err != nil {
			t.Fatalf("%v in %s", err, in)
		}
		if sum.Partial || sum.Quarantined != quarantined || len(got) != len(want) {
			t.Fatalf("%d findings, want %d; %d quarantined, want %d; partial %t, in %s", len(got), len(want), sum.Quarantined, quarantined, sum.Partial, in)
		}
		for i, f := range got {
			var id string
			if err := json.Unmarshal([]byte(want[i]), &id); err != nil || f.RuleID != id {
				t.Fatalf("result %d: rule %q, want %q", i, f.RuleID, id)
			}
		}
	}
}

func shuffled(rng *rand.Rand, members ...string) string {
	rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{" + strings.Join(members, ",") + "}"
}

// TestTruncatedAnywhere truncates a file at every byte. All complete results are read, and the summary is partial.
func TestTruncatedAnywhere(t *testing.T) {
	whole := log(6)
	for n := len(head); n < len(whole); n++ {
		in := whole[:n]
		sum, _, err := check(t, in, Options{})
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		complete := 0
		for at, i := len(head), 0; i < 6; i++ {
			if at += len(result(i)); at <= n {
				complete++
			}
			at++ // comma
		}
		if sum.Findings != complete || !sum.Partial || sum.Quarantined > 1 || len(sum.Warnings) == 0 {
			t.Fatalf("cut at %d of %d: %d findings, want %d; %+v", n, len(whole), sum.Findings, complete, sum)
		}
	}
}

// TestPiecewiseInput reads one byte at a time, with bad values that must be skipped.
func TestPiecewiseInput(t *testing.T) {
	in := file("{\x01}", string(result(1)), `{"big":"`+strings.Repeat("z", 5000)+`"}`, string(result(2)))
	f, err := Open(&slow{Reader: bytes.NewReader([]byte(in))}, Options{Limits: Limits{MaxResultBytes: 1024}})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := f.Findings(drop)
	if err != nil || sum.Findings != 2 || sum.Quarantined != 2 {
		t.Errorf("%+v %v", sum, err)
	}
}

type slow struct{ *bytes.Reader }

func (s *slow) Read(p []byte) (int, error) { return s.Reader.Read(p[:min(1, len(p))]) }

// TestMemoryDoesNotDependOnSize reads files of 12 MB with one large part, which must not stay in memory.
func TestMemoryDoesNotDependOnSize(t *testing.T) {
	const run = `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"t"}},`
	const rest = `"results":[{}]}]}`
	for _, s := range []*stream{
		{head: head, unit: string(result(3)), tail: tail},
		{head: run + `"artifacts":[`, unit: `{"location":{"uri":"` + strings.Repeat("d/", 200) + `f.go"}}`, tail: `],` + rest},
		{head: run + `"taxonomies":[`, unit: `{"id":"CWE-79","text":"` + strings.Repeat("t", 500) + `"}`, tail: `],` + rest},
		{head: run + `"properties":{"metrics":"`, unit: strings.Repeat("m", 999), tail: `"},` + rest},
		{head: run + `"results":[{"message":{"text":"`, unit: strings.Repeat("m", 999), tail: `"}},{}]}]}`},
		{head: run + `"results":[{"a":[`, unit: strings.Repeat("[", 999), tail: `"}},{}]}]}`},
		{head: run + `"tool":{"driver":{"rules":[`, unit: `{"id":"R","fullDescription":{"text":"` + strings.Repeat("d", 2000) + `"}}`, tail: `]}},` + rest},
		{head: run + `"originalUriBaseIds":{"a":{"uri":"`, unit: strings.Repeat("u", 999), tail: `"}},` + rest},
	} {
		s.n = 12 << 20 / int64(len(s.unit))
		sum, grown := heapOf(t, s, Limits{MaxHeaderBytes: 1 << 20})
		if sum.Results == 0 {
			t.Errorf("%.60s: no results: %+v", s.head, sum)
		}
		if grown > 8<<20 {
			t.Errorf("%.60s: the heap grows by %d bytes on %d bytes of input", s.head, grown, s.size())
		}
	}
}

// heapOf reads a file and returns the maximum growth of the heap.
func heapOf(t testing.TB, s *stream, lim Limits) (Summary, int64) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	f, err := Open(s, Options{Limits: lim})
	if err != nil {
		t.Fatalf("%.60s: %v", s.head, err)
	}
	most, n := heap(), 0
	sum, err := f.Findings(func(*report.Finding) error {
		if n++; n%10_000 == 0 {
			most = max(most, heap())
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%.60s: %v", s.head, err)
	}
	most = max(most, heap())
	runtime.KeepAlive(f)
	return sum, most - before
}

// BenchmarkHeapAt200MB measures the growth of the heap for a file of 200 MB.
func BenchmarkHeapAt200MB(b *testing.B) {
	unit := string(result(3))
	s := &stream{head: head, unit: unit, tail: tail, n: 200_000_000 / int64(len(unit)+1)}
	b.SetBytes(s.size())
	for b.Loop() {
		sum, grown := heapOf(b, s, Limits{})
		b.ReportMetric(float64(grown)/1e6, "MB-heap")
		b.ReportMetric(float64(sum.Findings), "findings")
	}
}

func TestFramerCountsLikeDecoder(t *testing.T) {
	for _, in := range []string{
		`[]`, `[ ]`, `[1]`, `["a,b"]`, `["\",",2]`, `[[1,2],{"a":[3,4]},null]`, `[[],[]]`, `[ {} , "" ]`, `[[[[]]]]`, `["\\"]`, `["\\\"]", 1]`,
	} {
		var want []any
		if err := json.Unmarshal([]byte(in), &want); err != nil {
			t.Fatal(err)
		}
		s := newSource(strings.NewReader(in + ",1]"))
		f, err := s.skip()
		if err != nil || f.elements() != len(want) || f.kind != '[' || s.offset() != int64(len(in)) {
			t.Errorf("%s: %d elements, want %d, ends at %d, %v", in, f.elements(), len(want), s.offset(), err)
		}
	}
	if _, err := newSource(strings.NewReader(`["a`)).skip(); err != io.EOF {
		t.Errorf("cut off: %v", err)
	}
}

// Package sample makes the data for the measurements: reports such as scanners produce, and payloads that do not compress.
// The same arguments give the same data in every run.
package sample

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// corpus is a long text of words, from which findings take their texts: about four times smaller when compressed, as
// real findings are.
var corpus = sync.OnceValue(func() string {
	r := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 4000)
	for i := range words {
		w := make([]byte, 2+r.IntN(9))
		for k := range w {
			w[k] = "etaoinshrdlucmfwypvbgk"[min(r.IntN(22), r.IntN(22))]
		}
		words[i] = string(w)
	}
	text := make([]byte, 0, 8<<20)
	for len(text) < 8<<20 {
		text = append(text, words[min(r.IntN(len(words)), r.IntN(len(words)))]...)
		text = append(text, ' ')
	}
	return string(text)
})

// Source generates findings one by one.
type Source struct {
	rand *rand.Rand
	n    int
}

// NewSource returns a Source that begins at the first finding.
func NewSource() *Source { return &Source{rand: rand.New(rand.NewPCG(3, 4))} }

// Next returns the next finding: about 700 bytes of JSON, with its fingerprint.
func (s *Source) Next() *report.Finding {
	s.n++
	r := s.rand
	line := 1 + r.IntN(5000)
	rule := r.IntN(300)
	return &report.Finding{
		Type: report.TypeVulnerability, Title: s.text(40), Severity: report.Severities()[r.IntN(5)],
		RuleID: fmt.Sprintf("go/rule-%03d", rule), Category: "security",
		Message: s.text(180), Description: s.text(100), AssetRef: "repo",
		Location: &report.Location{
			Path: fmt.Sprintf("pkg/module%d/file%d.go", r.IntN(60), r.IntN(40)), StartLine: line, EndLine: line + 2, StartColumn: 3,
			Snippet: s.text(90),
		},
		Fingerprint: fmt.Sprintf("%016x%016x%016x%016x", r.Uint64(), r.Uint64(), r.Uint64(), s.n),
		Tags:        []string{"cwe-79", "owasp-a3"},
	}
}

func (s *Source) text(n int) string {
	c := corpus()
	at := s.rand.IntN(len(c) - n)
	return c[at : at+n]
}

// Head returns a report without findings.
func Head(id string) *report.Report {
	return &report.Report{
		Metadata: report.Metadata{ID: id, Timestamp: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), SourceType: report.SourceScanner},
		Tool:     &report.Tool{Name: "scanner", Version: "1.0.0"},
		Assets:   []*report.Asset{{ID: "repo", Type: "repository", Value: "example.com/project"}},
	}
}

// Report returns a report of n findings.
func Report(id string, n int) *report.Report {
	r, s := Head(id), NewSource()
	r.Findings = make([]*report.Finding, n)
	for i := range r.Findings {
		r.Findings[i] = s.Next()
	}
	return r
}

// Payload is one item for a queue: as bytes, and as the report whose stored part is about as large.
type Payload struct {
	Bytes  []byte
	Report *report.Report
}

// NewPayload returns a payload of size bytes that do not compress.
func NewPayload(size int) (Payload, error) {
	p := Payload{Bytes: make([]byte, size)}
	r := rand.New(rand.NewPCG(5, uint64(size)))
	for i := range p.Bytes {
		p.Bytes[i] = byte(r.Uint32())
	}
	n := max(size>>10, 1)
	best, err := nearest(n, size)
	p.Report = noisy(n, best)
	return p, err
}

// nearest returns how many letters a message must have for n findings to be stored in about size bytes. A short report
// is tried in all lengths: whether an encoder compresses it depends on the letters, so that longer may be smaller.
func nearest(n, size int) (letters int, err error) {
	stored := func(letters int) int {
		b, e := storedBytes(noisy(n, letters))
		err = errors.Join(err, e)
		return b
	}
	if n > 4 {
		letters = sort.Search(4096, func(letters int) bool { return stored(letters) >= size })
		return letters, err
	}
	off := size
	for l := range 2 * size {
		b := stored(l)
		if d := max(b-size, size-b); d < off {
			letters, off = l, d
		}
	}
	return letters, err
}

// noisy returns a report of n findings with a message of so many random letters out of 64 in each: three quarters of the
// text stay when compressed, so that little more is encoded than is stored.
func noisy(n, letters int) *report.Report {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	rep := Head("payload")
	r := rand.New(rand.NewPCG(7, 8))
	text := make([]byte, letters)
	for range n {
		for i := range text {
			text[i] = alphabet[r.IntN(len(alphabet))]
		}
		rep.Findings = append(rep.Findings, &report.Finding{
			Type: report.TypeSecret, Title: "noise", Severity: report.Low, AssetRef: "repo", Message: string(text),
			Fingerprint: fmt.Sprintf("%016x", r.Uint64()),
		})
	}
	return rep
}

func storedBytes(r *report.Report) (n int, err error) {
	parts, _, err := part.Split(r, part.SplitConfig{})
	for _, p := range parts {
		n += len(p.Data)
	}
	return n, err
}

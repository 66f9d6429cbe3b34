package sarif

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/rediverio/sdk/pkg/report"
)

// log returns a typical SARIF file with n results of about 500 bytes.
func log(n int) []byte {
	var b bytes.Buffer
	b.WriteString(head)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(result(i))
	}
	b.WriteString(tail)
	return b.Bytes()
}

const (
	head = `{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[{"tool":{"driver":{"name":"bench","semanticVersion":"1.0.0","rules":[` +
		`{"id":"R1","name":"One","shortDescription":{"text":"One rule"},"properties":{"security-severity":"8.0","tags":["security","CWE-79"]}},{"id":"R2","name":"Two"}]}},"results":[`
	tail = `]}]}`
)

func result(i int) []byte {
	return fmt.Appendf(nil, `{"ruleId":"R%d","level":"warning","message":{"text":"A value from the request reaches the query in function f%d."},`+
		`"locations":[{"physicalLocation":{"artifactLocation":{"uri":"pkg/module%d/file%d.go","uriBaseId":"%%SRCROOT%%"},`+
		`"region":{"startLine":%d,"startColumn":3,"endLine":%d,"endColumn":40,"snippet":{"text":"rows, err := db.Query(\"select * from t where id=\" + id)"}}}}],`+
		`"partialFingerprints":{"primaryLocationLineHash":"%016x:1"},"properties":{"confidence":"HIGH"}}`,
		1+i%2, i, i%97, i%1009, 1+i%5000, 1+i%5000, i*2654435761)
}

// stream is a file of head, n repeats of unit separated by commas, and tail. It is generated while it is read.
type stream struct {
	head, unit, tail string
	n                int64
	at               int64
}

func (s *stream) size() int64 {
	return int64(len(s.head)) + s.n*int64(len(s.unit)+1) - 1 + int64(len(s.tail))
}

func (s *stream) Read(p []byte) (n int, err error) {
	body := s.n*int64(len(s.unit)+1) - 1
	for n < len(p) {
		var piece string
		switch off := s.at - int64(len(s.head)); {
		case off < 0:
			piece = s.head[s.at:]
		case off < body:
			in := off % int64(len(s.unit)+1)
			piece = (s.unit + ",")[in:]
			piece = piece[:min(int64(len(piece)), body-off)]
		case off-body < int64(len(s.tail)):
			piece = s.tail[off-body:]
		case n > 0:
			return n, nil
		default:
			return 0, io.EOF
		}
		m := copy(p[n:], piece)
		n += m
		s.at += int64(m)
	}
	return n, nil
}

func (s *stream) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += s.at
	case io.SeekEnd:
		off += s.size()
	}
	s.at = off
	return off, nil
}

func drop(*report.Finding) error { return nil }

// BenchmarkFindings reads 50 MB in both passes. BenchmarkUnmarshal decodes the same file as a whole into minimal structs.
// The B/op of the first grows with the file only by the findings themselves.
func BenchmarkFindings(b *testing.B) {
	data := log(110_000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := Open(bytes.NewReader(data), Options{})
		if err != nil {
			b.Fatal(err)
		}
		if sum, err := f.Findings(drop); err != nil || sum.Findings != 110_000 {
			b.Fatal(sum, err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	data := log(110_000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Open(bytes.NewReader(data), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	data := log(110_000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		var v struct {
			Runs []struct{ Results []resultJSON }
		}
		if err := json.Unmarshal(data, &v); err != nil {
			b.Fatal(err)
		}
	}
}

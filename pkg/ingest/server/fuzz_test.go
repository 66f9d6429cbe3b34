package server

import (
	"encoding/json"
	"testing"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

func FuzzReadDocument(f *testing.F) {
	p, _, _ := part.Split(sample("r", 3), part.SplitConfig{})
	f.Add(codec.Zstd, p[0].Data)
	f.Add(codec.None, []byte(`{"report":{"findings":[{"title":"x","location":{"path":"a"}},null],"assets":[{"type":"t","value":"v"}]}}`))
	f.Add(codec.None, []byte(`{"findings":null,"metadata":null,"tool":null,"report":null,"dependencies":[{"name":"d"}]}`))
	f.Add(codec.Gzip, []byte("\x1f\x8b"))
	lim := Limits{MaxDecompressedBytes: 1 << 20, MaxItems: 100}.withDefaults()
	f.Fuzz(func(t *testing.T, encoding string, data []byte) {
		doc, err := readBytesWithin(encoding, data, lim)
		if err != nil {
			return
		}
		if doc.rawBytes > lim.MaxDecompressedBytes || len(doc.findings) > lim.MaxItems || len(doc.items) > 2*lim.MaxItems || len(doc.problems) > maxProblems {
			t.Fatalf("over a bound: %d bytes, %d findings, %d items, %d problems", doc.rawBytes, len(doc.findings), len(doc.items), len(doc.problems))
		}
		for _, r := range doc.findings {
			if !json.Valid(r.data) || r.fingerprint == "" || r.rank < 0 || r.rank > 4 || len(r.title) > maxColumn {
				t.Fatalf("row %+v", r)
			}
		}
	})
}

func FuzzReadChunk(f *testing.F) {
	f.Add("", []byte(chunkBody("r", 0, 2, "zstd", []byte("x"))))
	f.Add("gzip", []byte("\x1f\x8b"))
	lim := Limits{MaxCompressedBytes: 1 << 16, MaxParts: 10}.withDefaults()
	f.Fuzz(func(t *testing.T, encoding string, body []byte) {
		rq, err := readChunk(encoding, body, lim)
		if err != nil {
			return
		}
		if report.CheckID("", rq.ReportID) != nil || *rq.ChunkIndex < 0 || *rq.ChunkIndex >= *rq.TotalChunks || *rq.TotalChunks > 10 || len(rq.Data) == 0 || len(rq.Data) > 1<<16 {
			t.Fatalf("took %+v", rq)
		}
	})
}

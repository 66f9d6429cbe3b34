package ingest

import (
	"encoding/base64"
	"io"
	"testing"
	"testing/iotest"

	"github.com/rediverio/sdk/pkg/part"
)

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(`{"scan_id":"1","errors":["x",{"y":1}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if a, err := parseAnswer(body); err == nil {
			resultOf(a, &part.Part{ReportID: "r"}, 1)
		}
	})
}

// The base64 on the wire equals that of encoding/base64, whatever the buffer of the reader.
func FuzzBase64Reader(f *testing.F) {
	f.Add([]byte("some data that is longer than one group"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, func(r io.Reader) io.Reader { return r }} {
			got, err := io.ReadAll(wrap(&base64Reader{data: data}))
			if err != nil || string(got) != base64.StdEncoding.EncodeToString(data) {
				t.Fatalf("%q, %v", got, err)
			}
		}
	})
}

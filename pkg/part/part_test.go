package part

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/rediverio/sdk/internal/codec"
)

func TestPartRefusesFlippedBytes(t *testing.T) {
	parts, _ := mustSplit(t, randomReport(rand.New(rand.NewPCG(4, 4)), 50, 5, 5), SplitConfig{})
	whole := parts[0]
	for i := range whole.Data {
		p := *whole
		p.Data = bytes.Clone(whole.Data)
		p.Data[i] ^= 1
		if _, err := p.Report(); err == nil || !strings.Contains(err.Error(), p.Key) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
	}
	p := *whole
	p.Data = p.Data[:len(p.Data)-1]
	if _, err := p.Report(); err == nil {
		t.Error("a part cut short was accepted")
	}
}

// A hostile part is refused even if its hash is right.
func TestPartRefusesBadContent(t *testing.T) {
	var le *codec.LimitError
	for name, c := range map[string]struct {
		encoding string
		data     []byte
		limit    bool
	}{
		"bomb":             {codec.Zstd, codec.Compress(nil, make([]byte, 30<<20), 3), true},
		"too long":         {codec.None, make([]byte, 11<<20), true},
		"unknown encoding": {"br", []byte("{}"), false},
		"no JSON":          {codec.None, []byte("hello"), false},
		"no object":        {codec.None, []byte("[1]"), false},
		"empty":            {codec.None, nil, false},
		"garbage":          {codec.Zstd, []byte("hello, world"), false},
	} {
		p := Part{Key: "k", Encoding: c.encoding, Data: c.data, SHA256: sha256.Sum256(c.data)}
		if _, err := p.Report(); err == nil || errors.As(err, &le) != c.limit {
			t.Errorf("Report of a part with %s = %v, want an error", name, err)
		}
	}
}

func TestPartKey(t *testing.T) {
	if got := Key("r", [32]byte{1, 2, 0xff}, 3); got != "r.0102ff0000000000.3" {
		t.Error(got)
	}
}

func TestResultAdd(t *testing.T) {
	sum := Result{ReportID: "r"}
	sum.Add(&Result{ID: "a", FindingsCreated: 1, FindingsUpdated: 2, FindingsSkipped: 3, AssetsCreated: 4, AssetsUpdated: 5, BytesSent: 6})
	sum.Add(&Result{FindingsCreated: 10, Error: "first"})
	sum.Add(&Result{ID: "b", Error: "second"})
	want := Result{ID: "b", ReportID: "r", FindingsCreated: 11, FindingsUpdated: 2, FindingsSkipped: 3, AssetsCreated: 4,
		AssetsUpdated: 5, BytesSent: 6, Error: "first"}
	if sum != want {
		t.Errorf("got %+v", sum)
	}
}

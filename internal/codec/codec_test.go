package codec

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func gzipped(t testing.TB, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// text returns n bytes that compress about as well as findings.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, 0, n+200)
	for len(b) < n {
		b = append(strconv.AppendInt(append(b, `{"rule_id":"rule-`...), r.Int64N(50), 10), `","path":"src/pkg`...)
		b = append(strconv.AppendInt(b, r.Int64N(100000), 10), `/file.go","start_line":`...)
		b = append(strconv.AppendInt(b, r.Int64N(5000), 10), `},`...)
	}
	return b[:n]
}

func noise(n int) []byte {
	r := rand.New(rand.NewPCG(2, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	for _, raw := range [][]byte{nil, []byte("x"), text(100), text(3 << 20), noise(1 << 20)} {
		for _, level := range []int{-1, 0, 1, 3, 9, 20} {
			got, err := Decode(Zstd, Compress(nil, raw, level), Limits{})
			if err != nil || !bytes.Equal(got, raw) {
				t.Fatalf("zstd level %d of %d bytes: got %d bytes, %v", level, len(raw), len(got), err)
			}
		}
		for _, encoding := range []string{None, "", "identity"} {
			got, err := Decode(encoding, raw, Limits{})
			if err != nil || !bytes.Equal(got, raw) {
				t.Fatalf("%q of %d bytes: got %d bytes, %v", encoding, len(raw), len(got), err)
			}
		}
		got, err := Decode(Gzip, gzipped(t, raw), Limits{})
		if err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("gzip of %d bytes: got %d bytes, %v", len(raw), len(got), err)
		}
	}
}

// A part may be larger than the encoder's window and the largest window of a decoder.
func TestRoundTripLarge(t *testing.T) {
	raw := text(20 << 20)
	for _, level := range []int{3, 9} {
		got, err := Decode(Zstd, Compress(nil, raw, level), Limits{})
		if err != nil || !bytes.Equal(got, raw) {
			t.Errorf("level %d: got %d bytes, %v", level, len(got), err)
		}
	}
}

func TestCompressAppends(t *testing.T) {
	out := Compress([]byte("head"), text(1000), 3)
	if !bytes.HasPrefix(out, []byte("head")) {
		t.Fatalf("dst is gone: %q", out[:4])
	}
	if got, err := Decode(Zstd, out[4:], Limits{}); err != nil || len(got) != 1000 {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
}

// A recycled encoder must write the same bytes as a new one.
func TestCompressIsDeterministic(t *testing.T) {
	inputs := [][]byte{text(10), text(5000), noise(70000), text(300000), nil}
	for _, level := range []int{1, 3, 6} { // the three encoders
		var want [][]byte
		for _, in := range inputs {
			want = append(want, Compress(nil, in, level))
		}
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 3 * len(inputs) {
					k := (i*7 + g) % len(inputs)
					if !bytes.Equal(Compress(nil, inputs[k], level), want[k]) {
						t.Errorf("level %d, input %d: other bytes the second time", level, k)
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestRatioOfTheWholeInput(t *testing.T) {
	// Three megabytes of one letter, then noise: 7:1 as a whole, although it begins at over 1000:1.
	raw := append(bytes.Repeat([]byte("a"), 3<<20), noise(500<<10)...)
	packed := Compress(nil, raw, 3)
	if got, err := Decode(Zstd, packed, Limits{}); err != nil || !bytes.Equal(got, raw) {
		t.Errorf("Decode: got %d bytes, %v", len(got), err)
	}
	r, err := NewReader(Zstd, bytes.NewReader(packed), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, raw) {
		t.Errorf("NewReader: got %d bytes, %v", len(got), err)
	}
}

// zeros is a reader of n zero bytes.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// bombs are 64 MB of zeros, compressed as streams, so that their frames have no content size.
var bombs = sync.OnceValue(func() map[string][]byte {
	var z, g bytes.Buffer
	zw, err := zstd.NewWriter(&z)
	if err != nil {
		panic(err)
	}
	gw := gzip.NewWriter(&g)
	if _, err := io.Copy(io.MultiWriter(zw, gw), zeros(64<<20)); err != nil {
		panic(err)
	}
	if err := errors.Join(zw.Close(), gw.Close()); err != nil {
		panic(err)
	}
	return map[string][]byte{Zstd: z.Bytes(), Gzip: g.Bytes()}
})

func TestBombs(t *testing.T) {
	for encoding, bomb := range bombs() {
		for name, c := range map[string]struct {
			lim   Limits
			field string
		}{
			"ratio": {Limits{MaxRatio: 20}, "max_compression_ratio"},
			"size":  {Limits{MaxRatio: 1e9, MaxDecompressed: 8 << 20}, "max_decompressed_size"},
			"input": {Limits{MaxCompressed: 1000}, "max_compressed_size"},
		} {
			t.Run(encoding+"/"+name, func(t *testing.T) {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := Decode(encoding, bomb, c.lim)
				runtime.ReadMemStats(&after)
				var le *LimitError
				if !errors.As(err, &le) || le.Field != c.field || le.Value <= le.Bound {
					t.Fatalf("got %v, want a LimitError of %s", err, c.field)
				}
				// The decoder's window and a growing buffer, which allocates up to three times its final size.
				if n, most := after.TotalAlloc-before.TotalAlloc, uint64(96<<20); n > most {
					t.Errorf("allocated %d MB, at most %d", n>>20, most>>20)
				}
			})
		}
	}
}

// A frame that claims a large content is refused without allocating memory for it.
func TestClaimedSizeIsUntrusted(t *testing.T) {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0} // single segment of 2^40 bytes
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Decode(Zstd, frame, Limits{})
	runtime.ReadMemStats(&after)
	var le *LimitError
	if !errors.As(err, &le) {
		t.Errorf("got %v, want a LimitError", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Errorf("allocated %d MB", n>>20)
	}
}

func TestReaderStopsBomb(t *testing.T) {
	for encoding, bomb := range bombs() {
		r, err := NewReader(encoding, bytes.NewReader(bomb), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		var le *LimitError
		if !errors.As(err, &le) {
			t.Errorf("%s: got %v, want a LimitError", encoding, err)
		}
		if n > DefaultMaxDecompressed {
			t.Errorf("%s: read %d bytes before it stopped", encoding, n)
		}
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Errorf("%s: close: %v", encoding, err)
		}
	}
}

// A stream with a ratio above the bound is refused at its end, even if it is small.
func TestReaderRefusesSmallBomb(t *testing.T) {
	packed := Compress(nil, make([]byte, 1<<20), 3)
	r, err := NewReader(Zstd, bytes.NewReader(packed), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	var le *LimitError
	if !errors.As(err, &le) || le.Field != "max_compression_ratio" {
		t.Errorf("got %v, want a LimitError of the ratio", err)
	}
}

func TestBoundsAreInclusive(t *testing.T) {
	raw := text(10000)
	for _, encoding := range []string{None, Zstd} {
		data := raw
		if encoding == Zstd {
			data = Compress(nil, raw, 3)
		}
		ok := Limits{MaxCompressed: int64(len(data)), MaxDecompressed: int64(len(raw))}
		if _, err := Decode(encoding, data, ok); err != nil {
			t.Errorf("%s at its bounds: %v", encoding, err)
		}
		for _, lim := range []Limits{
			{MaxCompressed: ok.MaxCompressed - 1}, {MaxDecompressed: ok.MaxDecompressed - 1},
		} {
			var le *LimitError
			if _, err := Decode(encoding, data, lim); !errors.As(err, &le) {
				t.Errorf("%s one byte over %+v: %v", encoding, lim, err)
			}
		}
	}
}

func TestBrokenInput(t *testing.T) {
	raw := text(200000)
	for encoding, data := range map[string][]byte{Zstd: Compress(nil, raw, 3), Gzip: gzipped(t, raw)} {
		for _, n := range []int{1, 4, 10, len(data) / 2, len(data) - 1} {
			if got, err := Decode(encoding, data[:n], Limits{}); err == nil {
				t.Errorf("%s cut at %d of %d: got %d bytes and no error", encoding, n, len(data), len(got))
			}
		}
		flipped := bytes.Clone(data)
		flipped[len(flipped)/2] ^= 0x40
		if got, err := Decode(encoding, flipped, Limits{}); err == nil && bytes.Equal(got, raw) {
			t.Errorf("%s: a flipped bit was not noticed", encoding)
		}
	}
	_, err := Decode("br", raw, Limits{})
	if err == nil || !strings.Contains(err.Error(), `"br"`) {
		t.Errorf("unknown encoding: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, encoding := range []string{Zstd, Gzip, None, "br", ""} {
		f.Add(encoding, Compress(nil, text(500), 3))
		f.Add(encoding, gzipped(f, text(500)))
		f.Add(encoding, Compress(nil, make([]byte, 1<<20), 3))
	}
	lim := Limits{MaxCompressed: 1 << 16, MaxDecompressed: 1 << 20, MaxRatio: 50}
	f.Fuzz(func(t *testing.T, encoding string, data []byte) {
		out, err := Decode(encoding, data, lim)
		if err != nil {
			return
		}
		if int64(len(out)) > lim.MaxDecompressed {
			t.Errorf("%d bytes out, the bound is %d", len(out), lim.MaxDecompressed)
		}
		if len(out) > len(data)*int(lim.MaxRatio)+ratioSlack {
			t.Errorf("%d bytes out of %d, the ratio is %v", len(out), len(data), lim.MaxRatio)
		}
	})
}

func BenchmarkCompress(b *testing.B) {
	raw := text(512 << 10)
	for _, level := range []int{1, 3, 9} {
		b.Run(fmt.Sprint("level=", level), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			dst := make([]byte, 0, len(raw))
			for b.Loop() {
				dst = Compress(dst[:0], raw, level)
			}
			b.ReportMetric(float64(len(raw))/float64(len(dst)), "ratio")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{4 << 10, 512 << 10} {
		data := Compress(nil, text(n), 3)
		b.Run(fmt.Sprint("bytes=", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(Zstd, data, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

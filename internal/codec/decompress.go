package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Decode decompresses data within lim. encoding is Zstd, Gzip, None, or empty for none. An input that exceeds a bound gives a
// *LimitError.
func Decode(encoding string, data []byte, lim Limits) ([]byte, error) {
	lim = lim.withDefaults()
	if n := int64(len(data)); n > lim.MaxCompressed {
		return nil, &LimitError{"max_compressed_size", n, lim.MaxCompressed}
	}
	r, err := newReader(encoding, bytes.NewReader(data), lim)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	r.whole = int64(len(data))
	var out bytes.Buffer
	out.Grow(int(expect(encoding, data, lim)))
	if _, err := out.ReadFrom(r); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// expect returns the initial size of the output buffer: the size in the header of a zstd frame, within the bounds, or an
// estimate. Growing a buffer would need up to twice the memory.
func expect(encoding string, data []byte, lim Limits) int64 {
	n := int64(len(data))
	var h zstd.Header
	if encoding == Zstd && h.Decode(data) == nil && h.HasFCS {
		most := min(float64(lim.MaxDecompressed), float64(n)*lim.MaxRatio+ratioSlack)
		return int64(min(float64(h.FrameContentSize), most)) + bytes.MinRead
	}
	return min(n*8, 4<<20)
}

// NewReader returns a reader that decompresses r within lim. A read past a bound returns a *LimitError. The ratio is
// checked after 8 MiB of output and at the end. The caller must close the reader.
func NewReader(encoding string, r io.Reader, lim Limits) (io.ReadCloser, error) {
	b, err := newReader(encoding, r, lim.withDefaults())
	if err != nil {
		return nil, err // b would be a non-nil interface
	}
	return b, nil
}

func newReader(encoding string, r io.Reader, lim Limits) (*boundedReader, error) {
	in := &countingReader{r: r, bound: lim.MaxCompressed}
	b := &boundedReader{in: in, lim: lim}
	switch encoding {
	case None, "", "identity":
		b.r, b.close = in, func() {}
	case Zstd:
		d, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(uint64(max(lim.MaxDecompressed, 1<<20))))
		if err != nil {
			return nil, fmt.Errorf("open zstd: %w", err)
		}
		b.r, b.close = d, d.Close // may be called twice
	case Gzip:
		d, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("open gzip: %w", err)
		}
		b.r, b.close = d, func() { _ = d.Close() } // repeats an error that Read returned
	default:
		return nil, fmt.Errorf("encoding %q: want %s, %s or %s", encoding, Zstd, Gzip, None)
	}
	return b, nil
}

type countingReader struct {
	r     io.Reader
	n     int64
	bound int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.n > c.bound {
		return 0, &LimitError{"max_compressed_size", c.n, c.bound}
	}
	return n, err
}

// An input may begin with a part that compresses a thousandfold, and have a ratio of 7 as a whole. So the ratio is
// computed over the whole input if its size is known. In a stream it is checked after earlySlack bytes of output, and at
// the end.
const (
	ratioSlack = 64 << 10 // bytes of output that any input may have
	earlySlack = 8 << 20
)

type boundedReader struct {
	r     io.Reader
	in    *countingReader
	whole int64 // bytes of the whole input; 0 if not known
	out   int64
	lim   Limits
	close func()
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.out += int64(n)
	if b.out > b.lim.MaxDecompressed {
		return 0, &LimitError{"max_decompressed_size", b.out, b.lim.MaxDecompressed}
	}
	in, slack := b.whole, float64(ratioSlack)
	if in == 0 {
		in = b.in.n
		if err == nil {
			slack = earlySlack
		}
	}
	if float64(b.out) > float64(in)*b.lim.MaxRatio+slack {
		return 0, &LimitError{"max_compression_ratio", b.out / max(in, 1), int64(b.lim.MaxRatio)}
	}
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return 0, &LimitError{"max_decompressed_size", b.lim.MaxDecompressed + 1, b.lim.MaxDecompressed}
	}
	return n, err
}

func (b *boundedReader) Close() error {
	b.close()
	return nil
}

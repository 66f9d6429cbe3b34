package codec

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Decode returns data decompressed, within lim. encoding is Zstd, Gzip, None or empty (none).
func Decode(encoding string, data []byte, lim Limits) ([]byte, error) {
	lim = lim.withDefaults()
	if n := int64(len(data)); n > lim.MaxCompressed {
		return nil, &LimitError{"max_compressed_size", n, lim.MaxCompressed}
	}
	r, err := NewReader(encoding, bytes.NewReader(data), lim)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out bytes.Buffer
	out.Grow(min(len(data)*8, 4<<20))
	if _, err := out.ReadFrom(r); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// NewReader returns r decompressed, within lim: reading past a bound gives a *LimitError. The caller closes it.
func NewReader(encoding string, r io.Reader, lim Limits) (io.ReadCloser, error) {
	lim = lim.withDefaults()
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
		b.r, b.close = d, d.Close
	case Gzip:
		d, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("open gzip: %w", err)
		}
		b.r, b.close = d, func() { _ = d.Close() } // closing a reader only repeats an error already returned by Read
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

// ratioSlack keeps the ratio rule from judging a stream by its first bytes: an encoder flushes late.
const ratioSlack = 64 << 10

type boundedReader struct {
	r     io.Reader
	in    *countingReader
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
	if float64(b.out) > float64(b.in.n)*b.lim.MaxRatio+ratioSlack {
		return 0, &LimitError{"max_compression_ratio", b.out / max(b.in.n, 1), int64(b.lim.MaxRatio)}
	}
	return n, err
}

func (b *boundedReader) Close() error {
	b.close()
	return nil
}

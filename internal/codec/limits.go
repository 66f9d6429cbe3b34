// Package codec is the only place that compresses and decompresses: pooled encoders, and decoders that
// are bounded in input, output and ratio so that no input can make the process grow past its limits.
package codec

import "fmt"

// The encodings a part may have on disk and on the wire.
const (
	Zstd = "zstd"
	Gzip = "gzip"
	None = "none"
)

// Limits bounds one decompression. A zero field means its default.
type Limits struct {
	MaxCompressed   int64   // bytes in; default 10 MiB
	MaxDecompressed int64   // bytes out; default 50 MiB
	MaxRatio        float64 // out ÷ in; default 100
}

// The defaults of Limits, as the platform enforces them.
const (
	DefaultMaxCompressed   = 10 << 20
	DefaultMaxDecompressed = 50 << 20
	DefaultMaxRatio        = 100.0
)

func (l Limits) withDefaults() Limits {
	if l.MaxCompressed <= 0 {
		l.MaxCompressed = DefaultMaxCompressed
	}
	if l.MaxDecompressed <= 0 {
		l.MaxDecompressed = DefaultMaxDecompressed
	}
	if l.MaxRatio <= 0 {
		l.MaxRatio = DefaultMaxRatio
	}
	return l
}

// LimitError says which bound an input broke.
type LimitError struct {
	Field string // the limit's name, as in the configuration
	Value int64  // what was seen: at least this much
	Bound int64  // what is allowed
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: %d is over the bound %d", e.Field, e.Value, e.Bound)
}

// Package codec compresses with pooled encoders, and decompresses with bounds on input, output and ratio, so that no input
// can make the memory of the process exceed its limits.
package codec

import (
	"fmt"

	"github.com/rediverio/sdk/internal/config"
)

// The encodings of a part on disk and on the wire.
const (
	Zstd = "zstd"
	Gzip = "gzip"
	None = "none"
)

// Limits bounds one decompression. A zero field means its default.
type Limits struct {
	MaxCompressed   int64   // bytes of input; defaults to 10 MiB
	MaxDecompressed int64   // bytes of output; defaults to 50 MiB
	MaxRatio        float64 // output divided by input; defaults to 100
}

// The defaults of Limits are the bounds of the platform.
const (
	DefaultMaxCompressed   = 10 << 20
	DefaultMaxDecompressed = 50 << 20
	DefaultMaxRatio        = 100.0
)

func (l Limits) withDefaults() Limits {
	config.Default(&l.MaxCompressed, DefaultMaxCompressed)
	config.Default(&l.MaxDecompressed, DefaultMaxDecompressed)
	config.Default(&l.MaxRatio, DefaultMaxRatio)
	return l
}

// LimitError is returned for an input that exceeds one of the Limits.
type LimitError struct {
	Field string // name of the limit in a configuration file
	Value int64  // measured value; the whole input may exceed it
	Bound int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: %d is over the bound %d", e.Field, e.Value, e.Bound)
}

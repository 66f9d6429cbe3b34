package part

import (
	"cmp"
	"runtime"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/report"
)

// SplitConfig bounds the parts of a report. A zero field means its default. A report below all three Min
// thresholds stays whole; at or above one of them it is cut into parts under the Max bounds.
type SplitConfig struct {
	MinFindings int   // findings that trigger splitting; default 2000
	MinAssets   int   // assets that trigger splitting; default 200
	MinBytes    int64 // bytes of JSON that trigger splitting; default 5 MiB

	MaxFindings int   // findings a part, and dependencies a part; default 500
	MaxAssets   int   // assets a part; default 100
	MaxBytes    int64 // bytes of JSON a part, before compression; default 2 MiB

	MaxItemBytes     int64 // bytes of JSON of one finding, asset or dependency, past which it is refused; default 7 MiB
	CompressionLevel int   // zstd, 1 to 9; default 3

	// Workers is how many goroutines work on one report, 1 to 64: the caller, who adds items, and others that compress
	// full parts meanwhile. 1: the caller does all. Default: 2, or 1 where the program has one CPU. The parts are the
	// same. Memory is bounded to as many parts.
	Workers int
}

// The defaults of SplitConfig. MaxItemBytes keeps a part that does not compress under the platform's bound of
// 10 MiB of base64.
const (
	DefaultMinFindings      = 2000
	DefaultMinAssets        = 200
	DefaultMinBytes         = 5 << 20
	DefaultMaxFindings      = 500
	DefaultMaxAssets        = 100
	DefaultMaxBytes         = 2 << 20
	DefaultMaxItemBytes     = 7 << 20
	DefaultCompressionLevel = 3
	DefaultWorkers          = 2
)

// MaxBytes is the upper bound of MinBytes, MaxBytes and MaxItemBytes: a part of that size that does not compress
// is still under the platform's 10 MiB of base64, and one that compresses too well can travel as it is.
const MaxBytes = 7 << 20

// maxPart bounds a part with its head and everything in it. In base64 it is within the platform's bound on compressed
// data, together with what stands around it in a request, so it may travel as it is.
const maxPart = codec.DefaultMaxCompressed/4*3 - 64<<10

// The names of the two bounds in a report.TooLargeError.
const (
	itemBound = "max_item_bytes"
	partBound = "the bound of a part"
)

func (c SplitConfig) withDefaults() SplitConfig {
	config.Default(&c.MinFindings, DefaultMinFindings)
	config.Default(&c.MinAssets, DefaultMinAssets)
	config.Default(&c.MinBytes, DefaultMinBytes)
	config.Default(&c.MaxFindings, DefaultMaxFindings)
	config.Default(&c.MaxAssets, DefaultMaxAssets)
	config.Default(&c.MaxBytes, DefaultMaxBytes)
	config.Default(&c.MaxItemBytes, DefaultMaxItemBytes)
	config.Default(&c.CompressionLevel, DefaultCompressionLevel)
	return c
}

// workers is not among the defaults that every report asks for, since GOMAXPROCS takes a lock of the whole program.
func (c SplitConfig) workers() int {
	return cmp.Or(c.Workers, min(DefaultWorkers, runtime.GOMAXPROCS(0)))
}

// Validate returns every field that is out of range, in one error.
func (c SplitConfig) Validate() error {
	c = c.withDefaults()
	v := config.New("")
	config.Range(v, "min_findings", c.MinFindings, 1, 1<<31)
	config.Range(v, "min_assets", c.MinAssets, 1, 1<<31)
	config.Range(v, "min_bytes", c.MinBytes, 1, MaxBytes)
	config.Range(v, "max_findings", c.MaxFindings, 1, 1<<31)
	config.Range(v, "max_assets", c.MaxAssets, 1, 1<<31)
	config.Range(v, "max_bytes", c.MaxBytes, 1, MaxBytes)
	config.Range(v, "max_item_bytes", c.MaxItemBytes, 1, MaxBytes)
	config.Range(v, "compression_level", c.CompressionLevel, 1, 9)
	config.Range(v, "workers", c.Workers, 0, 64)
	return v.Err()
}

func tooLarge(item string, size, bound int64, setting string) *report.TooLargeError {
	return &report.TooLargeError{Item: item, Size: size, Bound: bound, Setting: setting}
}

package part

import (
	"cmp"
	"runtime"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/report"
)

// SplitConfig bounds the parts of a report. A zero field means its default. A report below all three Min
// thresholds stays whole; at or above one of them it is divided into parts within the Max bounds.
type SplitConfig struct {
	// MinFindings is the number of findings, and of dependencies, at which a report is split. Defaults to 2000.
	MinFindings int
	// MinAssets is the number of assets at which a report is split. Defaults to 200.
	MinAssets int
	// MinBytes is the size of the JSON at which a report is split. Defaults to 5 MiB.
	MinBytes int64

	// MaxFindings is the maximum number of findings and dependencies in a part. Defaults to 500.
	MaxFindings int
	// MaxAssets is the maximum number of assets in a part. Defaults to 100.
	MaxAssets int
	// MaxBytes is the maximum size of a part's JSON before compression. A single larger item is a part of its own.
	// Defaults to 2 MiB.
	MaxBytes int64

	// MaxItemBytes is the maximum size of the JSON of one finding, asset or dependency. A larger one is refused with a
	// *report.TooLargeError. Defaults to 7 MiB.
	MaxItemBytes int64
	// CompressionLevel is the level of zstd, from 1 to 9. Defaults to 3.
	CompressionLevel int

	// Workers is the number of goroutines that work on one report, from 1 to 64: the caller, who adds items, and those
	// that compress full parts. It also bounds the number of parts in memory, and has no effect on the parts. Defaults
	// to 2, or to 1 if the program has one CPU.
	Workers int
}

// The defaults of SplitConfig.
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

// MaxBytes is the upper bound of MinBytes, MaxBytes and MaxItemBytes in a SplitConfig. A part of this size can be sent
// without compression, because its base64 is below the platform's bound of 10 MiB.
const MaxBytes = 7 << 20

// maxPart bounds a whole part with its head. Its base64 is within the platform's bound together with the rest of a request.
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

// workers applies the default of Workers. withDefaults does not, because runtime.GOMAXPROCS takes a global lock and every
// report calls withDefaults.
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

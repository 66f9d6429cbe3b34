package server

import (
	"math"
	"runtime"
	"time"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/internal/config"
)

// Limits bounds what a handler accepts. A zero field means its default. A request that exceeds a limit is refused with a code
// and counted as rejected. A request for which there is no room at the moment is answered with 429 and Retry-After.
type Limits struct {
	// MaxCompressedBytes is the maximum size of one part as it is sent, before base64. Defaults to 10 MiB.
	MaxCompressedBytes int64

	// MaxDecompressedBytes is the maximum size of one part's JSON. Defaults to 50 MiB.
	MaxDecompressedBytes int64

	// MaxRatio is the maximum ratio of the decompressed to the compressed size of a part. Defaults to 100.
	MaxRatio float64

	// MaxParts is the maximum number of parts of a report. Defaults to DefaultMaxParts.
	MaxParts int

	// MaxItems is the maximum number of findings in one part, and likewise of assets and of dependencies. Defaults to
	// DefaultMaxItems.
	MaxItems int

	// MaxFingerprints is the maximum number of fingerprints in one check. Defaults to DefaultMaxFingerprints.
	MaxFingerprints int

	// MaxInFlightBytes is the maximum size of all request bodies in memory. One tenant gets at most half of it while
	// others send. Defaults to DefaultMaxInFlightBytes.
	MaxInFlightBytes int64

	// MaxRequests is the maximum number of concurrent requests of one tenant. Defaults to DefaultMaxRequests.
	MaxRequests int

	// MaxDecoders is the maximum number of parts decoded at one time; each takes up to MaxDecompressedBytes. Defaults to
	// the number of CPUs, at least 4.
	MaxDecoders int

	// BodyTimeout is the maximum time for the receipt of one body. Defaults to DefaultBodyTimeout.
	BodyTimeout time.Duration
}

// The defaults of Limits that differ from those of decompression elsewhere in this module.
const (
	DefaultMaxParts         = 10_000
	DefaultMaxItems         = 100_000
	DefaultMaxFingerprints  = 10_000
	DefaultMaxInFlightBytes = 128 << 20
	DefaultMaxRequests      = 1024
	DefaultBodyTimeout      = 2 * time.Minute
)

// Validate returns every field that is out of range, in one error.
func (l Limits) Validate() error {
	v := config.New("")
	for _, f := range []struct {
		name  string
		value float64
	}{
		{"max_compressed_bytes", float64(l.MaxCompressedBytes)}, {"max_decompressed_bytes", float64(l.MaxDecompressedBytes)},
		{"max_ratio", l.MaxRatio}, {"max_parts", float64(l.MaxParts)}, {"max_items", float64(l.MaxItems)},
		{"max_fingerprints", float64(l.MaxFingerprints)}, {"max_in_flight_bytes", float64(l.MaxInFlightBytes)},
		{"max_requests", float64(l.MaxRequests)}, {"max_decoders", float64(l.MaxDecoders)}, {"body_timeout", float64(l.BodyTimeout)},
	} {
		if f.value < 0 || math.IsNaN(f.value) {
			v.Addf(f.name, "%v is negative", f.value)
		}
	}
	if d := l.withDefaults(); v.Err() == nil && d.MaxInFlightBytes < d.maxChunkBody() {
		v.Addf("max_in_flight_bytes", "%d is less than one body, which may have %d bytes", d.MaxInFlightBytes, d.maxChunkBody())
	}
	return v.Err()
}

func (l Limits) withDefaults() Limits {
	config.Default(&l.MaxCompressedBytes, codec.DefaultMaxCompressed)
	config.Default(&l.MaxDecompressedBytes, codec.DefaultMaxDecompressed)
	config.Default(&l.MaxRatio, codec.DefaultMaxRatio)
	config.Default(&l.MaxParts, DefaultMaxParts)
	config.Default(&l.MaxItems, DefaultMaxItems)
	config.Default(&l.MaxFingerprints, DefaultMaxFingerprints)
	config.Default(&l.MaxInFlightBytes, DefaultMaxInFlightBytes)
	config.Default(&l.MaxRequests, DefaultMaxRequests)
	config.Default(&l.MaxDecoders, max(runtime.GOMAXPROCS(0), 4))
	config.Default(&l.BodyTimeout, DefaultBodyTimeout)
	return l
}

func (l Limits) codec() codec.Limits {
	return codec.Limits{MaxCompressed: l.MaxCompressedBytes, MaxDecompressed: l.MaxDecompressedBytes, MaxRatio: l.MaxRatio}
}

// maxChunkBody returns the size of a full part in base64 with the members around it.
func (l Limits) maxChunkBody() int64 { return l.MaxCompressedBytes/3*4 + 64<<10 }

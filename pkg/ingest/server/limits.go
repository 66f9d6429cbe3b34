package server

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/rediverio/sdk/internal/codec"
)

// Limits bounds what a handler takes. A zero field means its default. A request over a bound is refused with a
// code and counted as rejected; one that only finds no room at the moment gets 429 and Retry-After.
type Limits struct {
	MaxCompressedBytes   int64         // of one part as it travels, before base64; default 10 MiB
	MaxDecompressedBytes int64         // of one part's JSON; default 50 MiB
	MaxRatio             float64       // decompressed ÷ compressed; default 100
	MaxParts             int           // of one report; default DefaultMaxParts
	MaxItems             int           // findings, and assets, and dependencies of one part; default DefaultMaxItems
	MaxFingerprints      int           // of one check; default DefaultMaxFingerprints
	MaxInFlightBytes     int64         // request bodies in memory at once, half of it at most for one tenant; default DefaultMaxInFlightBytes
	MaxRequests          int           // of one tenant at once; default DefaultMaxRequests
	MaxDecoders          int           // parts decoded at once, each needs up to MaxDecompressedBytes; default the CPUs, at least 4
	BodyTimeout          time.Duration // to receive one body; default DefaultBodyTimeout
}

// The defaults of Limits that are not those of the platform's decompression.
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
	var errs []error
	for _, f := range []struct {
		name string
		v    float64
	}{
		{"max_compressed_bytes", float64(l.MaxCompressedBytes)}, {"max_decompressed_bytes", float64(l.MaxDecompressedBytes)},
		{"max_ratio", l.MaxRatio}, {"max_parts", float64(l.MaxParts)}, {"max_items", float64(l.MaxItems)},
		{"max_fingerprints", float64(l.MaxFingerprints)}, {"max_in_flight_bytes", float64(l.MaxInFlightBytes)},
		{"max_requests", float64(l.MaxRequests)}, {"max_decoders", float64(l.MaxDecoders)}, {"body_timeout", float64(l.BodyTimeout)},
	} {
		if f.v < 0 {
			errs = append(errs, fmt.Errorf("%s: %v is under 0", f.name, f.v))
		}
	}
	if d := l.withDefaults(); len(errs) == 0 && d.MaxInFlightBytes < d.maxChunkBody() {
		errs = append(errs, fmt.Errorf("max_in_flight_bytes: %d is under one body of %d", d.MaxInFlightBytes, d.maxChunkBody()))
	}
	return errors.Join(errs...)
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.MaxCompressedBytes, codec.DefaultMaxCompressed)
	orDefault(&l.MaxDecompressedBytes, codec.DefaultMaxDecompressed)
	orDefault(&l.MaxRatio, codec.DefaultMaxRatio)
	orDefault(&l.MaxParts, DefaultMaxParts)
	orDefault(&l.MaxItems, DefaultMaxItems)
	orDefault(&l.MaxFingerprints, DefaultMaxFingerprints)
	orDefault(&l.MaxInFlightBytes, DefaultMaxInFlightBytes)
	orDefault(&l.MaxRequests, DefaultMaxRequests)
	orDefault(&l.MaxDecoders, max(runtime.GOMAXPROCS(0), 4))
	orDefault(&l.BodyTimeout, DefaultBodyTimeout)
	return l
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (l Limits) codec() codec.Limits {
	return codec.Limits{MaxCompressed: l.MaxCompressedBytes, MaxDecompressed: l.MaxDecompressedBytes, MaxRatio: l.MaxRatio}
}

// maxChunkBody is a full part in base64, with room for what stands around it.
func (l Limits) maxChunkBody() int64 { return l.MaxCompressedBytes/3*4 + 64<<10 }

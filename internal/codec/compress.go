package codec

import (
	"sync"

	"github.com/klauspost/compress/zstd"
)

// encoders holds one pool of zstd encoders per speed; an encoder keeps its tables between uses.
var encoders [zstd.SpeedBestCompression + 1]sync.Pool

// Compress returns src as one zstd frame, appended to dst. level is zstd's own scale, 1 to 9 here; values
// outside are moved to the nearest end. Safe for concurrent use.
func Compress(dst, src []byte, level int) []byte {
	speed := zstd.EncoderLevelFromZstd(min(max(level, 1), 9))
	pool := &encoders[speed]
	enc, _ := pool.Get().(*zstd.Encoder)
	if enc == nil {
		var err error
		enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(speed), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		if err != nil { // only options outside their range fail, and these are constants
			panic(err)
		}
	}
	defer pool.Put(enc)
	return enc.EncodeAll(src, dst)
}

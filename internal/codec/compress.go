package codec

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// encoders holds a pool of zstd encoders for each speed, since an encoder keeps its tables between uses. They are used as
// streams: EncodeAll would create a channel in one testing/synctest bubble and use it in another, which panics.
var encoders [zstd.SpeedBestCompression + 1]sync.Pool

// windowSize is the maximum distance of a match. A part is rarely larger, and an encoder holds twice as much memory.
const windowSize = 2 << 20

// smallSize is the length up to which the fastest encoder compresses within two percent of the others, in three quarters
// of the time.
const smallSize = 8 << 10

// Compress appends src to dst as one zstd frame. level is a zstd level from 1 to 9; a value outside is replaced by the
// nearest one. A src of up to 8 KiB is compressed at level 1. Compress is safe for concurrent use.
func Compress(dst, src []byte, level int) []byte {
	if len(src) <= smallSize {
		level = 1
	}
	speed := zstd.EncoderLevelFromZstd(min(max(level, 1), 9))
	pool := &encoders[speed]
	out := bytes.NewBuffer(dst)
	enc, _ := pool.Get().(*zstd.Encoder)
	var err error
	if enc == nil {
		enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(speed), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(windowSize))
	}
	if err == nil {
		enc.ResetContentSize(out, int64(len(src)))
		if _, err = enc.Write(src); err == nil {
			err = enc.Close()
		}
	}
	if err != nil { // the options are constants, and writing to a buffer does not fail
		panic(err)
	}
	enc.Reset(nil)
	pool.Put(enc)
	return out.Bytes()
}

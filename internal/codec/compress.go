package codec

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// encoders holds one pool of zstd encoders per speed; an encoder keeps its tables between uses. They are used as
// streams: EncodeAll would keep a channel, which must not cross from one testing/synctest bubble into another.
var encoders [zstd.SpeedBestCompression + 1]sync.Pool

// windowSize is how far back a match may lie. A part is rarely larger, and an encoder keeps twice as much.
const windowSize = 2 << 20

// smallSize is the length up to which the fastest encoder makes what the others make, but for one or two percent, in
// three quarters of the time.
const smallSize = 8 << 10

// Compress returns src as one zstd frame, appended to dst. level is zstd's own scale, 1 to 9 here; values
// outside are moved to the nearest end, and up to 8 KiB are compressed at level 1. Safe for concurrent use.
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
	if err != nil { // the options are constants and a buffer takes every write
		panic(err)
	}
	enc.Reset(nil)
	pool.Put(enc)
	return out.Bytes()
}

package alone

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/rediverio/sdk/bench/internal/meter"
	"github.com/rediverio/sdk/bench/internal/sample"
)

// submit compares SubmitReport, which uses all cores, with encoding the same data once and compressing it on one.
func submit(n int) func(context.Context, Options) ([]value, error) {
	return func(ctx context.Context, o Options) ([]value, error) {
		m, shut, err := OpenStore(o.Dir)
		if err != nil {
			return nil, err
		}
		defer shut()

		r := sample.Report("r", n)
		mirror := plain(r)
		id := 0
		var stored, plainly, modelled Timing
		var lim limits
		steps := []func() error{
			func() (err error) {
				stored, err = measure(o.Duration, func() error {
					id++
					r.Metadata.ID = fmt.Sprintf("r-%d", id)
					_, err := m.SubmitReport(ctx, r)
					return err
				})
				return err
			},
			func() (err error) { plainly, err = oneCore(o.Duration, mirror, &lim); return err },
			func() (err error) { modelled, err = oneCore(o.Duration, r, nil); return err },
		}
		for _, i := range rand.Perm(len(steps)) {
			meter.Settle()
			if err := steps[i](); err != nil {
				return nil, err
			}
		}
		stats, err := m.Stats(ctx)
		if err != nil {
			return nil, err
		}
		return []value{
			{"ms", stored.millis(), "ms", "SubmitReport until the report is on disk"},
			{"findings_per_s", float64(n) / stored.Wall.Seconds(), "1/s", ""},
			{"cpu_ms", stored.cpu.Seconds() * 1e3, "ms", "of all cores"},
			{"encode_once_ms", plainly.millis(), "ms", "encoding/json of plain structs + zstd of the whole, one core"},
			{"x_encode_once", ratio(stored, plainly), "x", "SubmitReport takes so many times as long; goal for 20000: at most 1.5"},
			{"x_encode_once_cpu", float64(stored.cpu) / float64(max(plainly.cpu, 1)), "x", "the same in CPU time of all cores: steady on a busy machine, 0 where the platform does not tell"},
			{"x_model", ratio(stored, modelled), "x", "the same with the model's own MarshalJSON in place of plain structs"},
			{"json_limit", lim.jsonMBs, "MB/s", "encoding/json alone, one core"},
			{"zstd_limit", lim.zstdMBs, "MB/s", "zstd of that alone, one core"},
			{"stored_bytes_ratio", float64(stats.Bytes) / float64(stored.runs) / float64(lim.compressed), "x", "bytes stored for each byte of the whole, compressed in one piece"},
		}, nil
	}
}

// Timing is how long one run of something took.
type Timing struct {
	Wall time.Duration
	cpu  time.Duration // CPU time of the whole process
	runs int           // number of runs
}

func (t Timing) millis() float64 { return t.Wall.Seconds() * 1e3 }

func ratio(a, b Timing) float64 { return a.Wall.Seconds() / b.Wall.Seconds() }

// measure runs f once to warm up and then for d, at least once.
func measure(d time.Duration, f func() error) (t Timing, err error) {
	if err := f(); err != nil {
		return t, err
	}
	before, begun := meter.Now(), time.Now()
	n := 0
	for n == 0 || time.Since(begun) < d {
		if err := f(); err != nil {
			return t, err
		}
		n++
	}
	wall, used := time.Since(begun), meter.Since(before)
	return Timing{wall / time.Duration(n), used.CPU / time.Duration(n), n + 1}, nil
}

// limits returns the highest rate at which one core encodes and compresses the same data.
type limits struct {
	jsonMBs, zstdMBs float64
	compressed       int
}

// oneCore encodes v as JSON and compresses it, at the default level of both libraries, in a process of one core.
func oneCore(d time.Duration, v any, lim *limits) (Timing, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return Timing{}, err
	}
	var out []byte
	var raw, encoding, compressing float64
	t, err := measure(d, func() error {
		begun := time.Now()
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		encoded := time.Now()
		out = enc.EncodeAll(b, out[:0])
		raw += float64(len(b)) / 1e6
		encoding += encoded.Sub(begun).Seconds()
		compressing += time.Since(encoded).Seconds()
		return nil
	})
	if lim != nil {
		*lim = limits{raw / encoding, raw / compressing, len(out)}
	}
	return t, err
}

// Package baseline compares this checkout with an earlier commit of the repository on the same machine: two programs
// that differ in the SDK alone, run in turns.
package baseline

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rediverio/sdk/bench/internal/alone"
	"github.com/rediverio/sdk/bench/internal/meter"
	"github.com/rediverio/sdk/bench/internal/queue"
	"github.com/rediverio/sdk/bench/internal/sample"
	"github.com/rediverio/sdk/bench/internal/versus"
	"github.com/rediverio/sdk/pkg/part"
)

// Times is how long each named operation takes, in seconds.
type Times map[string]float64

// operations lists the compared operations. Each runs for d, at least once, and returns the seconds of one operation.
var operations = map[string]func(ctx context.Context, dir string, d time.Duration) (float64, error){
	"encode/2000":  encode,
	"submit/100":   submit(100),
	"submit/20000": submit(20_000),
	"put/16KB/8":   put,
	"drain/200":    drain,
}

// MeasureChild is the child process: it measures every operation once and writes Times.
func MeasureChild(ctx context.Context, w io.Writer, parent string, d time.Duration) error {
	dir, err := os.MkdirTemp(parent, "bench-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	times := Times{}
	for name, op := range operations {
		meter.Settle()
		if times[name], err = op(ctx, dir, d); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return json.NewEncoder(w).Encode(times)
}

// repeat runs f once to warm up and then for d, and returns the seconds of one run.
func repeat(d time.Duration, f func() error) (float64, error) {
	if err := f(); err != nil {
		return 0, err
	}
	begun, n := time.Now(), 0
	for n == 0 || time.Since(begun) < d {
		if err := f(); err != nil {
			return 0, err
		}
		n++
	}
	return time.Since(begun).Seconds() / float64(n), nil
}

// encode splits a report into compressed parts, in memory.
func encode(_ context.Context, _ string, d time.Duration) (float64, error) {
	r := sample.Report("r", 2000)
	return repeat(d, func() error {
		_, _, err := part.Split(r, part.SplitConfig{})
		return err
	})
}

// submit stores reports of n findings, one after the other.
func submit(n int) func(context.Context, string, time.Duration) (float64, error) {
	return func(ctx context.Context, parent string, d time.Duration) (float64, error) {
		m, shut, err := alone.OpenStore(parent)
		if err != nil {
			return 0, err
		}
		defer shut()
		r, id := sample.Report("r", n), 0
		return repeat(d, func() error {
			id++
			r.Metadata.ID = fmt.Sprintf("r-%d", id)
			_, err := m.SubmitReport(ctx, r)
			return err
		})
	}
}

// put stores payloads of 16 KB from eight producers.
func put(_ context.Context, dir string, d time.Duration) (float64, error) {
	p, err := sample.NewPayload(16 << 10)
	if err != nil {
		return 0, err
	}
	q, err := queue.Kinds()[0].Open(dir, p)
	if err != nil {
		return 0, err
	}
	defer q.Close()
	begun := time.Now()
	latencies, err := versus.Produce(q, 8, d)
	return time.Since(begun).Seconds() / float64(max(len(latencies), 1)), err
}

// drain uploads 200 stored chunks to an uploader that does nothing. Storing them is not measured.
func drain(ctx context.Context, dir string, d time.Duration) (float64, error) {
	r := sample.Report("r", 20_000)
	var sum time.Duration
	runs := 0
	for runs < 3 || sum < d/4 {
		took, err := alone.DrainChunks(ctx, dir, r, 3)
		if err != nil {
			return 0, err
		}
		sum += took.Wall
		runs++
	}
	return sum.Seconds() / float64(runs), nil
}

package alone

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rediverio/sdk/bench/internal/meter"
	"github.com/rediverio/sdk/bench/internal/sample"
	"github.com/rediverio/sdk/pkg/chunk"
)

// patience is how long the size of the files must be unchanged to count as final. It is long because the store's
// cleaner may get no processor time on a busy machine.
const patience = 10 * time.Second

// fillAndDrain stores the given number of MB that do not compress, drains them, and measures the files that remain.
func fillAndDrain(megabytes int) func(context.Context, Options) ([]value, error) {
	return func(ctx context.Context, o Options) ([]value, error) {
		s, err := openStore(o.Dir, func(c *chunk.Config) { c.MaxConcurrentUploads = 16 })
		if err != nil {
			return nil, err
		}
		defer s.shut()
		reports := megabytes * 4
		if err := storePayloads(ctx, s.Manager, reports); err != nil {
			return nil, err
		}
		full, err := meter.DiskBytes(s.dir)
		if err != nil {
			return nil, err
		}
		took, err := upload(ctx, s.Manager, 16, reports)
		if err != nil {
			return nil, err
		}
		waited, err := waitForSpace(ctx, s)
		if err != nil {
			return nil, err
		}
		values := []value{
			{"full", float64(full) / (1 << 20), "MiB", "all files when everything is stored"},
			{"drain_ms", took.millis(), "ms", fmt.Sprintf("%d reports of 256 KB", reports)},
			{"give_back_ms", waited.Seconds() * 1e3, "ms", "from the last upload until the files shrink no more"},
		}
		files, err := sizes(s.dir)
		return append(values, files...), err
	}
}

func storePayloads(ctx context.Context, m *chunk.Manager, reports int) error {
	p, err := sample.NewPayload(256 << 10)
	if err != nil {
		return err
	}
	for i := range reports {
		p.Report.Metadata.ID = fmt.Sprintf("r-%d", i)
		if _, err := m.SubmitReport(ctx, p.Report); err != nil {
			return err
		}
	}
	return nil
}

// waitForSpace waits until the files have stopped shrinking and returns how long that took.
func waitForSpace(ctx context.Context, s store) (took time.Duration, err error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	begun := time.Now()
	last, err := meter.DiskBytes(s.dir)
	for quiet := patience; err == nil && time.Since(begun)-took < quiet; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return took, ctx.Err()
		}
		var now int64
		if now, err = meter.DiskBytes(s.dir); now < last {
			last, took = now, time.Since(begun)
		}
		if stats, e := s.Stats(ctx); e == nil && stats.FreeBytes < 64<<10 {
			quiet = patience / 20 // almost nothing remains to be freed
		}
	}
	return took, err
}

// sizes lists the files that remain.
func sizes(dir string) (values []value, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		note := ""
		if e.Name() == "chunks.db" {
			note = "goal for 500MB: under 2"
		}
		values = append(values, value{e.Name(), float64(info.Size()) / (1 << 20), "MiB", note})
	}
	return values, nil
}

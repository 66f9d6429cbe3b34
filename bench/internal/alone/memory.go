package alone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/rediverio/sdk/bench/internal/meter"
	"github.com/rediverio/sdk/bench/internal/sample"
	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/part"
)

// peak is the output of the child process.
type peak struct {
	IdleBytes, PeakBytes int64
	Seconds              float64
}

// memory measures the peak memory of storing n findings in a process of its own, since the peak of a process never falls.
func memory(how string, n int) func(context.Context, Options) ([]value, error) {
	return func(ctx context.Context, o Options) ([]value, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, self, "child", "memory", how, strconv.Itoa(n), o.Dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("child: %w", err)
		}
		var p peak
		if err := json.Unmarshal(out, &p); err != nil {
			return nil, fmt.Errorf("child: %w", err)
		}
		if p.PeakBytes == 0 {
			return nil, nil // the platform has no such figure
		}
		note := "resident, highest while the report is stored less what was there before"
		if how == "put" {
			note += ", which has the report itself"
		} else {
			note += "; goal for 1000000: at most 64"
		}
		return []value{
			{"peak_minus_idle", float64(p.PeakBytes-p.IdleBytes) / (1 << 20), "MiB", note},
			{"idle", float64(p.IdleBytes) / (1 << 20), "MiB", ""},
			{"findings_per_s", float64(n) / p.Seconds, "1/s", "with the making of the findings"},
		}, nil
	}
}

// MemoryChild is the child process: it stores findings in one of two ways and writes the peak.
func MemoryChild(ctx context.Context, w io.Writer, how string, findings int, parent string) error {
	m, shut, err := OpenStore(parent)
	if err != nil {
		return err
	}
	defer shut()
	if _, err := m.SubmitReport(ctx, sample.Report("warm-up", 10)); err != nil {
		return err
	}
	store := func() error { return stream(ctx, m, findings) }
	if how == "put" {
		r := sample.Report("r", findings)
		store = func() error { _, err := m.SubmitReport(ctx, r); return err }
	}
	p, err := peakOf(store)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(p)
}

func peakOf(f func() error) (p peak, err error) {
	debug.FreeOSMemory()
	if err := meter.ResetPeak(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return p, err
	}
	p.IdleBytes, _ = meter.PeakMemory() // zero where the platform has no such figure, like the peak
	begun := time.Now()
	if err := f(); err != nil {
		return p, err
	}
	p.Seconds = time.Since(begun).Seconds()
	p.PeakBytes, _ = meter.PeakMemory()
	return p, nil
}

func stream(ctx context.Context, m *chunk.Manager, findings int) error {
	head := sample.Head("stream")
	w, err := m.NewWriter(ctx, head, part.Envelope{})
	if err != nil {
		return err
	}
	for _, a := range head.Assets {
		if err := w.AddAsset(a); err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	source := sample.NewSource()
	for range findings {
		if err := w.AddFinding(source.Next()); err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	_, err = w.Close()
	return err
}

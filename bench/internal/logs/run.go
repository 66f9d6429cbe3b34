// Package logs measures the audit log beside other loggers, through rotations.
package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/rediverio/sdk/bench/internal/meter"
)

// Options selects what is measured.
type Options struct {
	Rounds   int
	Duration time.Duration          // time of one measurement
	Match    func(name string) bool // reports whether a measurement is selected by its name, such as log/zap
	Dir      string                 // directory of the logs' files
	Progress io.Writer
}

// Result is the median of the rounds.
type Result struct {
	Logger    string  `json:"logger"`
	What      string  `json:"what"`
	Rounds    int     `json:"rounds"`
	Nanos     float64 `json:"ns_per_event"`     // until the event is in a file
	CPUNanos  float64 `json:"cpu_ns_per_event"` // CPU time of the whole process
	Allocs    float64 `json:"allocs_per_event"` // allocations of the whole process
	LineBytes float64 `json:"bytes_per_event"`
	Files     float64 `json:"files"`
	OursCPU   float64 `json:"ours_cpu_ratio"` // CPU time of ours divided by the CPU time of this one in the same round; 0 if ours was not measured
}

// Run measures every logger that matches, each round in another random order.
func Run(ctx context.Context, o Options) ([]Result, error) {
	samples := map[string][]Result{}
	for round := range o.Rounds {
		for _, i := range rand.Perm(len(kinds)) {
			k := kinds[i]
			if !o.Match("log/" + k.name) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			fmt.Fprintf(o.Progress, "round %d/%d log/%s\n", round+1, o.Rounds, k.name)
			r, err := measure(k, o)
			if err != nil {
				return nil, fmt.Errorf("log/%s: %w", k.name, err)
			}
			samples[k.name] = append(samples[k.name], r)
		}
	}
	return summarize(samples), nil
}

func measure(k kind, o Options) (r Result, err error) {
	dir, err := os.MkdirTemp(o.Dir, "bench-log-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	l, err := k.open(dir)
	if err != nil {
		return r, err
	}
	for range 1000 { // the pools fill
		l.log()
	}
	meter.Settle()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	used, begun, n := meter.Now(), time.Now(), 0
	for time.Since(begun) < o.Duration {
		for range 100 {
			l.log()
		}
		n += 100
	}
	if err := l.close(); err != nil {
		return r, err
	}
	wall, cpu := time.Since(begun), meter.Since(used).CPU
	runtime.ReadMemStats(&after)
	lines, size, files, err := weigh(dir)
	if err == nil && lines < n+1000 {
		err = fmt.Errorf("%d events of %d are in its files", lines, n+1000)
	}
	each := float64(n)
	return Result{Nanos: float64(wall.Nanoseconds()) / each, CPUNanos: float64(cpu.Nanoseconds()) / each,
		Allocs: float64(after.Mallocs-before.Mallocs) / each, LineBytes: float64(size) / float64(max(lines, 1)), Files: float64(files)}, err
}

// weigh counts the lines, bytes and files of the logs in dir.
func weigh(dir string) (lines, size, files int, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return 0, 0, 0, err
		}
		lines, size = lines+bytes.Count(b, []byte("\n")), size+len(b)
	}
	return lines, size, len(names), err
}

func summarize(samples map[string][]Result) (results []Result) {
	for _, k := range kinds {
		rounds := samples[k.name]
		if len(rounds) == 0 {
			continue
		}
		median := func(of func(i int) float64) float64 {
			var values []float64
			for i := range rounds {
				values = append(values, of(i))
			}
			return meter.Median(values)
		}
		r := Result{Logger: k.name, What: k.what, Rounds: len(rounds),
			Nanos:     median(func(i int) float64 { return rounds[i].Nanos }),
			CPUNanos:  median(func(i int) float64 { return rounds[i].CPUNanos }),
			Allocs:    median(func(i int) float64 { return rounds[i].Allocs }),
			LineBytes: median(func(i int) float64 { return rounds[i].LineBytes }),
			Files:     median(func(i int) float64 { return rounds[i].Files })}
		if ours := samples[Ours]; len(ours) == len(rounds) {
			r.OursCPU = median(func(i int) float64 { return ours[i].CPUNanos / max(rounds[i].CPUNanos, 1) })
		}
		results = append(results, r)
	}
	return results
}

// Print writes a table.
func Print(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\nlogging an event with a map of details, files of %d MiB, median of %d rounds\n", fileMB, results[0].Rounds)
	fmt.Fprintln(t, "logger\tns/event\tCPU ns/event\tours is\tallocs/event\tB/event\tfiles\t")
	for _, r := range results {
		ratio := "-"
		if r.Logger != Ours && r.OursCPU > 0 {
			ratio = fmt.Sprintf("%.2fx", r.OursCPU)
		}
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%s\t%.3f\t%.0f\t%.0f\t\n", r.Logger, r.Nanos, r.CPUNanos, ratio, r.Allocs, r.LineBytes, r.Files)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, r := range results {
		fmt.Fprintf(w, "  %-10s %s\n", r.Logger, r.What)
	}
	return nil
}

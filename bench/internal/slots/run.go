// Package slots measures the admission of jobs beside golang.org/x/sync/semaphore.
package slots

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/rediverio/sdk/bench/internal/meter"
)

// Options selects what is measured.
type Options struct {
	Rounds   int
	Duration time.Duration          // time of one measurement
	Match    func(name string) bool // reports whether a measurement is selected by its name, such as slots/grant/counter
	Progress io.Writer
}

// Result is the median of the rounds.
type Result struct {
	Name   string  `json:"name"`
	What   string  `json:"what"`
	Rounds int     `json:"rounds"`
	Nanos  float64 `json:"ns_per_op"`
	Allocs float64 `json:"allocs_per_op"`
	Beside string  `json:"beside"`
	Ratio  float64 `json:"ratio"` // its time divided by the time of Beside in the same round; 0 if Beside was not measured
}

// pieces is how many turns each operation has in a round. The operations alternate, so that other work on the machine
// affects all of them alike.
const pieces = 10

// measure has the figures of one operation in one round.
type measure struct{ nanos, allocs float64 }

// Run measures everything that matches.
func Run(ctx context.Context, o Options) ([]Result, error) {
	samples := map[string][]measure{}
	for round := range o.Rounds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		fmt.Fprintf(o.Progress, "round %d/%d slots\n", round+1, o.Rounds)
		if err := runRound(o, samples); err != nil {
			return nil, err
		}
	}
	return summarize(samples), nil
}

func runRound(o Options, samples map[string][]measure) error {
	turns := map[string][]measure{}
	for range pieces {
		for _, i := range rand.Perm(len(kinds)) {
			k := kinds[i]
			if !o.Match("slots/" + k.name) {
				continue
			}
			m, err := turn(k, o.Duration/pieces)
			if err != nil {
				return fmt.Errorf("slots/%s: %w", k.name, err)
			}
			turns[k.name] = append(turns[k.name], m)
		}
	}
	for name, ms := range turns {
		samples[name] = append(samples[name], measure{
			median(ms, func(m measure) float64 { return m.nanos }), median(ms, func(m measure) float64 { return m.allocs }),
		})
	}
	return nil
}

// turn repeats k until d is over, in batches that grow, because reading the clock costs as much as the operation.
func turn(k kind, d time.Duration) (m measure, err error) {
	do, stop := k.start()
	defer stop()
	if err := do(4); err != nil { // warm up: allocations that happen once happen here
		return m, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, batch := 0, 4
	begun := time.Now()
	for time.Since(begun) < d {
		if err := do(batch); err != nil {
			return m, err
		}
		n += batch
		batch = min(2*batch, 1<<12)
	}
	m.nanos = float64(time.Since(begun).Nanoseconds()) / float64(max(n, 1))
	runtime.ReadMemStats(&after)
	m.allocs = float64(after.Mallocs-before.Mallocs) / float64(max(n, 1))
	return m, nil
}

func median(ms []measure, of func(measure) float64) float64 {
	var values []float64
	for _, m := range ms {
		values = append(values, of(m))
	}
	return meter.Median(values)
}

func summarize(samples map[string][]measure) (results []Result) {
	for _, k := range kinds {
		rounds := samples[k.name]
		if len(rounds) == 0 {
			continue
		}
		r := Result{Name: "slots/" + k.name, What: k.what, Rounds: len(rounds),
			Nanos:  median(rounds, func(m measure) float64 { return m.nanos }),
			Allocs: median(rounds, func(m measure) float64 { return m.allocs })}
		if beside := samples[k.beside]; len(beside) == len(rounds) {
			var ratios []float64
			for i := range rounds {
				ratios = append(ratios, rounds[i].nanos/max(beside[i].nanos, 1))
			}
			r.Beside, r.Ratio = "slots/"+k.beside, meter.Median(ratios)
		}
		results = append(results, r)
	}
	return results
}

// Print writes a table for people.
func Print(out io.Writer, results []Result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nadmission\tns/op\tallocs/op\tratio\tto\twhat")
	for _, r := range results {
		ratio := "-"
		if r.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f", r.Ratio)
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%s\t%s\t%s\n", r.Name, r.Nanos, r.Allocs, ratio, r.Beside, r.What)
	}
	return w.Flush()
}

package baseline

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/rediverio/sdk/bench/internal/meter"
)

// Options selects the commit to compare with and the limit.
type Options struct {
	Base     string // the commit to compare with; empty: the merge base of HEAD and origin/main
	Limit    float64
	Rounds   int
	Duration time.Duration // least time of one operation in one round
	Dir      string        // directory of the stores' files
	Progress io.Writer
}

// Comparison has the figures of one operation in both programs.
type Comparison struct {
	Name  string  `json:"name"`
	Base  float64 `json:"base_seconds"` // medians of the rounds
	Head  float64 `json:"head_seconds"`
	Ratio float64 `json:"ratio"` // median of head ÷ base in the same round: over 1, this checkout is slower
	Slow  bool    `json:"slow"`  // over the limit
}

// Check builds both programs, runs them in turns and compares them. A regression must show in a second set of rounds
// too, because a machine that is busy at the wrong moment looks like one.
func Check(ctx context.Context, o Options) ([]Comparison, error) {
	tmp, err := os.MkdirTemp(o.Dir, "bench-check-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	head, base, err := build(ctx, o, tmp)
	if err != nil {
		return nil, err
	}
	all, err := compare(ctx, o, head, base)
	if err != nil || !slices.ContainsFunc(all, func(c Comparison) bool { return c.Slow }) {
		return all, err
	}
	fmt.Fprintln(o.Progress, "over the limit: measuring again")
	again, err := compare(ctx, o, head, base)
	for i := range again {
		again[i].Slow = again[i].Slow && all[i].Slow
	}
	return again, err
}

func compare(ctx context.Context, o Options, head, base string) (all []Comparison, err error) {
	heads, bases := map[string][]float64{}, map[string][]float64{}
	for round := range o.Rounds {
		fmt.Fprintf(o.Progress, "round %d/%d\n", round+1, o.Rounds)
		for _, i := range rand.Perm(2) {
			program, into := head, heads
			if i == 1 {
				program, into = base, bases
			}
			times, err := run(ctx, program, o)
			if err != nil {
				return nil, err
			}
			for name, t := range times {
				into[name] = append(into[name], t)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(heads)) {
		if len(bases[name]) != len(heads[name]) {
			continue // the base does not have this operation
		}
		c := Comparison{Name: name, Base: meter.Median(bases[name]), Head: meter.Median(heads[name])}
		var ratios []float64
		for i := range heads[name] {
			ratios = append(ratios, heads[name][i]/bases[name][i])
		}
		c.Ratio = meter.Median(ratios)
		c.Slow = c.Ratio > 1+o.Limit/100
		all = append(all, c)
	}
	return all, nil
}

func run(ctx context.Context, program string, o Options) (t Times, err error) {
	cmd := exec.CommandContext(ctx, program, "child", "check", o.Dir, o.Duration.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &t)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	return t, nil
}

// Print writes a line for each operation.
func Print(w io.Writer, all []Comparison, limit float64) {
	fmt.Fprintf(w, "%-14s %12s %12s %8s\n", "operation", "base ms", "here ms", "ratio")
	for _, c := range all {
		verdict := ""
		if c.Slow {
			verdict = fmt.Sprintf("  slower by more than %g %%", limit)
		}
		fmt.Fprintf(w, "%-14s %12.3f %12.3f %7.2fx%s\n", c.Name, c.Base*1e3, c.Head*1e3, c.Ratio, verdict)
	}
}

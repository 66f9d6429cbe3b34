// Package alone measures this SDK by itself: what storing a report costs beside encoding it, how fast the store empties,
// and how much memory and disk it uses.
package alone

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/rediverio/sdk/bench/internal/meter"
)

// Options selects what is measured.
type Options struct {
	Full     bool // includes the large sizes
	Rounds   int
	Duration time.Duration          // least time of one measurement
	Match    func(name string) bool // reports whether a measurement is selected by its name, such as submit/20000
	Dir      string                 // directory of the stores' files
	Progress io.Writer
}

// Result is one number: the median of the rounds.
type Result struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Rounds int     `json:"rounds"`
	Note   string  `json:"note,omitempty"`
}

// value is one number of one round.
type value struct {
	name  string // appended to the name of the measurement, such as x_stdlib
	value float64
	unit  string
	note  string
}

// task is one measurement.
type task struct {
	name string
	once bool // one round suffices: it takes long or does not vary
	run  func(ctx context.Context, o Options) ([]value, error)
}

// Run measures everything that matches, each round in another random order.
func Run(ctx context.Context, o Options) ([]Result, error) {
	tasks := matching(o)
	seen := map[string][]value{} // by task, in the order of its first round
	for round := range o.Rounds {
		for _, i := range rand.Perm(len(tasks)) {
			t := tasks[i]
			if t.once && round > 0 {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			fmt.Fprintf(o.Progress, "round %d/%d %s\n", round+1, o.Rounds, t.name)
			meter.Settle()
			values, err := t.run(ctx, o)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.name, err)
			}
			seen[t.name] = append(seen[t.name], values...)
		}
	}
	var results []Result
	for _, t := range tasks {
		results = append(results, summarize(t.name, seen[t.name])...)
	}
	return results, nil
}

func matching(o Options) (tasks []task) {
	for _, t := range tasksOf(o.Full) {
		if o.Match(t.name) {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

func tasksOf(full bool) (tasks []task) {
	submits, puts, streams, space := []int{100, 2000, 20_000}, []int{2000, 20_000}, []int{20_000, 200_000}, 50
	if full {
		submits, puts, streams, space = append(submits, 200_000), []int{100, 2000, 20_000, 200_000}, append(streams, 1_000_000), 500
	}
	for _, n := range submits {
		tasks = append(tasks, task{name: fmt.Sprintf("submit/%d", n), run: submit(n)})
	}
	for _, workers := range []int{3, 16} {
		tasks = append(tasks, task{name: fmt.Sprintf("drain/200/%d_workers", workers), run: drain(workers)})
	}
	for _, n := range puts {
		tasks = append(tasks, task{name: fmt.Sprintf("memory/put/%d", n), once: true, run: memory("put", n)})
	}
	for _, n := range streams {
		tasks = append(tasks, task{name: fmt.Sprintf("memory/stream/%d", n), once: true, run: memory("stream", n)})
	}
	return append(tasks, task{name: fmt.Sprintf("space/%dMB", space), once: true, run: fillAndDrain(space)})
}

// summarize takes the medians of the values with one name.
func summarize(task string, values []value) (results []Result) {
	at := map[string]int{}
	var all [][]float64
	for _, v := range values {
		i, ok := at[v.name]
		if !ok {
			i = len(all)
			at[v.name] = i
			all = append(all, nil)
			results = append(results, Result{Name: task + "/" + v.name, Unit: v.unit, Note: v.note})
		}
		all[i] = append(all[i], v.value)
	}
	for i := range results {
		results[i].Value, results[i].Rounds = meter.Median(all[i]), len(all[i])
	}
	return results
}

// Print writes a line for each number.
func Print(w io.Writer, results []Result) {
	for _, r := range results {
		note := ""
		if r.Note != "" {
			note = "  " + r.Note
		}
		fmt.Fprintf(w, "%-36s %12.2f %-10s%s\n", r.Name, r.Value, r.Unit, note)
	}
}

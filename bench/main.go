// Command bench measures the durable queue, the audit log and the job admission of this SDK: beside other libraries,
// alone, and beside an earlier commit.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/rediverio/sdk/bench/internal/alone"
	"github.com/rediverio/sdk/bench/internal/baseline"
	"github.com/rediverio/sdk/bench/internal/logs"
	"github.com/rediverio/sdk/bench/internal/meter"
	"github.com/rediverio/sdk/bench/internal/slots"
	"github.com/rediverio/sdk/bench/internal/versus"
)

const usage = `Measures the durable queue, the audit log and the admission of jobs of this SDK: beside others, alone, or beside an earlier commit.

  bench [flags]         other queues, other loggers, a semaphore, then this SDK alone: under a minute; with -full about a quarter of an hour
  bench check [flags]   this checkout beside a commit; fails when it is slower than the limit allows

Examples:
  bench                                      what changed, in a minute
  bench -full -o json > full.json            everything, for a program
  bench -filter 'queues/16KB/64'             one cell of the comparison
  bench -filter '/(ours|raw)$' -rounds 9     two queues in all cells of the quick mode
  bench -filter '^log'                       the audit log beside zerolog, zap and slog
  bench -filter '^slots'                     the admission of jobs beside a semaphore
  bench -filter '^(submit|drain)'            this SDK alone
  bench -dir /mnt/disk                       on another disk; the default is where temporary files go
  bench check -base v1.2.0 -limit 20         slower than v1.2.0 by more than 20 %?

Names that -filter matches: queues/<payload>/<producers>/<queue>, log/<logger>, slots/<what>, submit/<findings>, drain/200/<workers>_workers,
memory/put/<findings>, memory/stream/<findings>, space/<size>.

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	switch {
	case len(args) > 0 && args[0] == "child":
		return child(ctx, args[1:], out)
	case len(args) > 0 && args[0] == "check":
		return check(ctx, args[1:], out, progress)
	}
	return measure(ctx, args, out, progress)
}

// flags holds the flags of both commands.
type flags struct {
	*flag.FlagSet
	rounds   int
	duration time.Duration
	dir      string
	format   string
}

func newFlags(stderr io.Writer) *flags {
	f := &flags{FlagSet: flag.NewFlagSet("bench", flag.ContinueOnError)}
	f.SetOutput(stderr)
	f.Usage = func() { fmt.Fprint(stderr, usage); f.PrintDefaults() }
	f.IntVar(&f.rounds, "rounds", 0, "`number` of rounds, of which the median counts (default 3; with -full 5; check: 7)")
	f.DurationVar(&f.duration, "duration", 0, "`time` of one measurement in one round (default 200ms; with -full 400ms)")
	f.StringVar(&f.dir, "dir", os.TempDir(), "`directory` on the disk to be measured")
	f.StringVar(&f.format, "o", "table", "output `format`: table or json")
	return f
}

// parse reads the arguments and fills in the defaults.
func (f *flags) parse(args []string, full *bool, quickRounds, fullRounds int) error {
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", f.Arg(0))
	}
	if f.format != "table" && f.format != "json" {
		return fmt.Errorf("-o %q: want table or json", f.format)
	}
	if f.rounds < 0 || f.duration < 0 {
		return fmt.Errorf("-rounds %d -duration %v: negative", f.rounds, f.duration)
	}
	rounds, duration := quickRounds, 200*time.Millisecond
	if full != nil && *full {
		rounds, duration = fullRounds, 400*time.Millisecond
	}
	if f.rounds == 0 {
		f.rounds = rounds
	}
	if f.duration == 0 {
		f.duration = duration
	}
	return nil
}

// results is the JSON output.
type results struct {
	CPUs       int             `json:"cpus"`
	LoadBefore float64         `json:"load_before"` // load average of the last minute before the run; a high one means that other programs used the processors
	LoadAfter  float64         `json:"load_after"`
	Queues     []versus.Result `json:"queues"`
	Logs       []logs.Result   `json:"logs"`
	Slots      []slots.Result  `json:"slots"`
	Alone      []alone.Result  `json:"alone"`
}

func measure(ctx context.Context, args []string, out, progress io.Writer) error {
	f := newFlags(progress)
	full := f.Bool("full", false, "all cells and all sizes")
	filter := f.String("filter", "", "measure only what matches this regular `expression`")
	if err := f.parse(args, full, 3, 5); err != nil {
		return err
	}
	match, err := regexp.Compile(*filter)
	if err != nil {
		return fmt.Errorf("-filter: %w", err)
	}
	cells := versus.Quick
	if *full {
		cells = versus.Full
	}
	r := results{CPUs: runtime.NumCPU(), LoadBefore: meter.Load()}
	r.Queues, err = versus.Run(ctx, versus.Options{
		Cells: cells, Rounds: f.rounds, Duration: f.duration, Match: match.MatchString, Dir: f.dir, Progress: progress,
	})
	if err != nil {
		return err
	}
	r.Logs, err = logs.Run(ctx, logs.Options{Rounds: f.rounds, Duration: f.duration, Match: match.MatchString, Dir: f.dir, Progress: progress})
	if err != nil {
		return err
	}
	r.Slots, err = slots.Run(ctx, slots.Options{Rounds: f.rounds, Duration: f.duration, Match: match.MatchString, Progress: progress})
	if err != nil {
		return err
	}
	r.Alone, err = alone.Run(ctx, alone.Options{
		Full: *full, Rounds: f.rounds, Duration: f.duration, Match: match.MatchString, Dir: f.dir, Progress: progress,
	})
	if err != nil {
		return err
	}
	if len(r.Queues)+len(r.Logs)+len(r.Slots)+len(r.Alone) == 0 {
		return fmt.Errorf("-filter %q matches nothing", *filter)
	}
	r.LoadAfter = meter.Load()
	if f.format == "json" {
		return writeJSON(out, r)
	}
	fmt.Fprintf(out, "%d CPUs, load average %.1f before and %.1f after\n", r.CPUs, r.LoadBefore, r.LoadAfter)
	if len(r.Queues) > 0 {
		if err := versus.Print(out, r.Queues); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	if len(r.Logs) > 0 {
		if err := logs.Print(out, r.Logs); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	if len(r.Slots) > 0 {
		if err := slots.Print(out, r.Slots); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	alone.Print(out, r.Alone)
	return nil
}

func check(ctx context.Context, args []string, out, progress io.Writer) error {
	f := newFlags(progress)
	base := f.String("base", "", "`commit` to compare with (default the merge base of HEAD and origin/main)")
	limit := f.Float64("limit", 30, "`percent` by which an operation may be slower")
	if err := f.parse(args, nil, 7, 7); err != nil {
		return err
	}
	all, err := baseline.Check(ctx, baseline.Options{
		Base: *base, Limit: *limit, Rounds: f.rounds, Duration: f.duration, Dir: f.dir, Progress: progress,
	})
	if err != nil {
		return err
	}
	if f.format == "json" {
		err = writeJSON(out, all)
	} else {
		baseline.Print(out, all, *limit)
	}
	if slices.ContainsFunc(all, func(c baseline.Comparison) bool { return c.Slow }) {
		err = errors.Join(err, fmt.Errorf("slower than the commit compared with by more than %g %%, twice", *limit))
	}
	return err
}

// child runs one measurement in a process of its own, which the parent started for it.
func child(ctx context.Context, args []string, out io.Writer) error {
	switch {
	case len(args) == 4 && args[0] == "memory":
		findings, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return alone.MemoryChild(ctx, out, args[1], findings, args[3])
	case len(args) == 3 && args[0] == "check":
		d, err := time.ParseDuration(args[2])
		if err != nil {
			return err
		}
		return baseline.MeasureChild(ctx, out, args[1], d)
	}
	return fmt.Errorf("child %q: started by this program alone", args)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

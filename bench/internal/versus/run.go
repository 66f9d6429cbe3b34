// Package versus measures queues side by side: the same payloads in the same minute on the same disk, so that other work
// on the machine affects all of them alike.
package versus

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/rediverio/sdk/bench/internal/meter"
	"github.com/rediverio/sdk/bench/internal/queue"
	"github.com/rediverio/sdk/bench/internal/sample"
)

// Cell is one situation in which all queues are measured.
type Cell struct {
	PayloadBytes int `json:"payload_bytes"`
	Producers    int `json:"producers"`
}

func (c Cell) String() string { return fmt.Sprintf("%dKB/%d", c.PayloadBytes>>10, c.Producers) }

// Quick and Full are the cells of the two modes.
var (
	Quick = []Cell{{1 << 10, 64}, {16 << 10, 64}, {256 << 10, 8}}
	Full  = grid([]int{1 << 10, 16 << 10, 256 << 10}, []int{1, 8, 64})
)

func grid(payloads, producers []int) (cells []Cell) {
	for _, b := range payloads {
		for _, p := range producers {
			cells = append(cells, Cell{b, p})
		}
	}
	return cells
}

// Consumers is how many consumers take and acknowledge.
const Consumers = 8

// Options selects what is measured.
type Options struct {
	Cells    []Cell
	Rounds   int
	Duration time.Duration          // time the producers run; also the longest time the consumers run
	Match    func(name string) bool // reports whether a measurement is selected by its name, such as queues/16KB/64/goqite
	Dir      string                 // directory of the queues' files
	Progress io.Writer
}

// Run measures every matching queue in every cell, each round in another random order, each time with an empty
// directory.
func Run(ctx context.Context, o Options) ([]Result, error) {
	payloads := map[int]sample.Payload{}
	samples := map[key][]Measures{}
	for round := range o.Rounds {
		for _, c := range shuffled(o.Cells) {
			for _, k := range shuffled(queue.Kinds()) {
				if !o.Match(Name(c, k.Name)) {
					continue
				}
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				if _, ok := payloads[c.PayloadBytes]; !ok {
					p, err := sample.NewPayload(c.PayloadBytes)
					if err != nil {
						return nil, err
					}
					payloads[c.PayloadBytes] = p
				}
				fmt.Fprintf(o.Progress, "round %d/%d %s\n", round+1, o.Rounds, Name(c, k.Name))
				m, err := measure(k, c, payloads[c.PayloadBytes], o)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", Name(c, k.Name), err)
				}
				samples[key{c, k.Name}] = append(samples[key{c, k.Name}], m)
			}
		}
	}
	return summarize(o.Cells, samples), nil
}

// Name returns the name that -filter matches.
func Name(c Cell, kind string) string { return fmt.Sprintf("queues/%s/%s", c, kind) }

type key struct {
	cell Cell
	kind string
}

func shuffled[T any](in []T) []T {
	out := make([]T, len(in))
	for i, k := range rand.Perm(len(in)) {
		out[i] = in[k]
	}
	return out
}

// measure fills one queue and empties it.
func measure(k queue.Kind, c Cell, p sample.Payload, o Options) (m Measures, err error) {
	dir, err := os.MkdirTemp(o.Dir, "bench-"+k.Name+"-")
	if err != nil {
		return m, err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	q, err := k.Open(dir, p)
	if err != nil {
		return m, err
	}
	defer func() {
		if e := q.Close(); err == nil {
			err = e
		}
	}()
	if err := fill(q, c, dir, o.Duration, &m); err != nil {
		return m, fmt.Errorf("put: %w", err)
	}
	if err := empty(q, o.Duration, &m); err != nil {
		return m, fmt.Errorf("consume: %w", err)
	}
	return m, nil
}

func fill(q queue.Queue, c Cell, dir string, d time.Duration, m *Measures) error {
	warm, err := Produce(q, c.Producers, d/10)
	if err != nil {
		return err
	}
	meter.Settle()
	disk, err := meter.DiskBytes(dir)
	if err != nil {
		return err
	}
	before, begun := meter.Now(), time.Now()
	latencies, err := Produce(q, c.Producers, d)
	if err != nil {
		return err
	}
	elapsed, used := time.Since(begun), meter.Since(before)
	after, err := meter.DiskBytes(dir)
	if err != nil {
		return err
	}
	n := float64(len(latencies))
	payload := n * float64(c.PayloadBytes)
	m.stored = int64(len(warm) + len(latencies))
	m.PutPerSecond = n / elapsed.Seconds()
	m.CPUMicrosPerPut = float64(used.CPU.Microseconds()) / n
	m.WrittenPerPayloadByte = float64(used.Written) / payload
	m.FilesPerPayloadByte = float64(after-disk) / payload
	m.P50Millis = meter.Quantile(latencies, 0.50).Seconds() * 1e3
	m.P99Millis = meter.Quantile(latencies, 0.99).Seconds() * 1e3
	return nil
}

func empty(q queue.Queue, d time.Duration, m *Measures) error {
	meter.Settle()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	before, begun := meter.Now(), time.Now()
	n, err := q.Consume(ctx, Consumers)
	elapsed, used := time.Since(begun), meter.Since(before)
	switch {
	case err != nil:
		return err
	case n == 0 || n > m.stored:
		return fmt.Errorf("took %d payloads of %d stored", n, m.stored)
	case n < m.stored && ctx.Err() == nil:
		return fmt.Errorf("only %d payloads of %d stored came back", n, m.stored)
	}
	m.AckPerSecond = float64(n) / elapsed.Seconds()
	m.CPUMicrosPerAck = float64(used.CPU.Microseconds()) / float64(n)
	return nil
}

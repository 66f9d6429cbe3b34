package job_test

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/rediverio/sdk/pkg/job"
)

// paths is a Source that delivers one scan per path and then ends.
type paths []string

func (p *paths) Next(_ context.Context, w job.Want) ([]job.Job, error) {
	var out []job.Job
	for len(out) < w.Max && len(*p) > 0 {
		out = append(out, scan((*p)[0]))
		*p = (*p)[1:]
	}
	if len(*p) == 0 {
		return out, io.EOF // returned with the last jobs
	}
	return out, nil
}

// scan is a Job without a lease.
type scan string

func (s scan) Spec() job.Spec {
	return job.Spec{ID: "scan-" + string(s), Kind: "scan", Scanner: "gitleaks", Target: string(s)}
}
func (s scan) Extend(context.Context) error             { return nil }
func (s scan) Ack(context.Context) error                { fmt.Println("done:", string(s)); return nil }
func (s scan) Nak(context.Context, time.Duration) error { fmt.Println("later:", string(s)); return nil }
func (s scan) Fail(_ context.Context, why string) error {
	fmt.Println("failed:", string(s), why)
	return nil
}

// How do I write a source of jobs of my own?
func ExampleSource() {
	var source job.Source = &paths{"a", "b", "c"}
	ctx := context.Background()
	for {
		jobs, err := source.Next(ctx, job.Want{Max: 2})
		for _, j := range jobs {
			fmt.Println("run:", j.Spec().Target)
			if err := j.Ack(ctx); err != nil {
				fmt.Println(err)
			}
		}
		if err == io.EOF {
			return
		}
	}
	// Output:
	// run: a
	// done: a
	// run: b
	// done: b
	// run: c
	// done: c
}

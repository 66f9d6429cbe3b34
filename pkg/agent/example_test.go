package agent_test

import (
	"context"
	"fmt"
	"log"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// todos is a Scanner written in Go. External tools need none, because scan.NewRunner runs them.
type todos struct{}

func (todos) Scan(_ context.Context, req scan.Request, open scan.OpenFunc) (*scan.Result, error) {
	w, err := open(&report.Report{Metadata: report.Metadata{ID: req.ReportID}, Tool: &report.Tool{Name: req.Scanner}})
	if err != nil {
		return nil, err
	}
	defer w.Abort() // no effect after Close
	if err := w.AddFinding(&report.Finding{Type: "code_smell", Title: "TODO in " + req.Target, Severity: report.Low}); err != nil {
		return nil, err
	}
	sum, err := w.Close()
	return &scan.Result{ReportID: req.ReportID, Summary: sum}, err
}

// What does an agent need at least? A source of jobs, a scanner, and a receiver of reports.
func Example() {
	a, err := agent.New(agent.Config{
		Source:  job.NewList(job.Spec{ID: "nightly-1", Scanner: "todos", Target: "/src/shop"}),
		Scanner: todos{},
		Uploader: pipeline.UploaderFunc(func(_ context.Context, pt *part.Part) (*pipeline.Result, error) {
			r, err := pt.Report()
			if err != nil {
				return nil, err
			}
			fmt.Println(pt.JobID, "found:", r.Findings[0].Title)
			return &pipeline.Result{FindingsCreated: pt.Findings}, nil
		}),
		Resource: resource.ControllerConfig{CPUThreshold: -1, MemoryThreshold: -1}, // the example also runs on a busy host
		OnJob:    func(r agent.JobResult) { fmt.Println(r.Spec.ID, "scanned:", r.Err == nil) },
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := a.Run(context.Background()); err != nil { // a daemon passes the context of signal.NotifyContext
		log.Fatal(err)
	}
	fmt.Println("jobs done:", a.Status().JobsCompleted)
	// Unordered output:
	// nightly-1 scanned: true
	// nightly-1 found: TODO in /src/shop
	// jobs done: 1
}

// How do I react to events of a running agent? A subscriber may be slow: events that it misses are counted in Status.Bus.
func ExampleAgent_Subscribe() {
	var host sdktest.Sampler // an idle host
	a, err := agent.New(agent.Config{
		Source:  job.NewList(job.Spec{ID: "nightly-1", Scanner: "todos", Target: "/src/shop"}),
		Scanner: todos{},
		Uploader: pipeline.UploaderFunc(func(context.Context, *part.Part) (*pipeline.Result, error) {
			return nil, nil
		}),
		Resource: resource.ControllerConfig{Sampler: &host},
		Sink:     event.Nop, // an audit.Logger, or event.Slog(logger)
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer a.Subscribe(func(_ context.Context, e event.Event) {
		fmt.Println(e.Type, e.JobID)
	}, event.JobCompleted)()
	if err := a.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println("dropped:", a.Status().Bus.Dropped)
	// Output:
	// job_completed nightly-1
	// dropped: 0
}

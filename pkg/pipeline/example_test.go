package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
)

// newReport returns a report as a scan would.
func newReport(id string) *report.Report {
	return &report.Report{
		Metadata: report.Metadata{ID: id},
		Tool:     &report.Tool{Name: "gitleaks"},
		Findings: []*report.Finding{{
			Type: report.TypeSecret, Title: "private key in the repository", Severity: report.Critical, RuleID: "private-key",
			Location: &report.Location{Path: "deploy/key.pem", StartLine: 1},
		}},
	}
}

// How do I upload reports in the background?
func ExamplePipeline() {
	uploader := pipeline.UploaderFunc(func(ctx context.Context, pt *part.Part) (*pipeline.Result, error) {
		return &pipeline.Result{FindingsCreated: pt.Findings}, nil // send the request here
	})
	p := pipeline.NewPipeline(&pipeline.PipelineConfig{
		OnCompleted: func(item *pipeline.QueueItem, result *pipeline.Result) {
			fmt.Println(item.ID, "uploaded,", result.FindingsCreated, "finding created")
		},
		OnFailed: func(item *pipeline.QueueItem, err error) { fmt.Println(item.ID, "failed:", err) },
	}, uploader)
	ctx := context.Background()
	if err := p.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}

	if _, err := p.Submit(newReport("scan-1"), pipeline.WithJobID("job-1")); err != nil { // returns at once
		fmt.Println("not accepted:", err)
	}

	if err := p.Stop(ctx); err != nil { // uploads what is queued
		fmt.Println(err)
	}
	// Output: scan-1 uploaded, 1 finding created
}

// How do I make sure that no report is lost when the agent is restarted?
func ExamplePipeline_durable() {
	dir, err := os.MkdirTemp("", "durable")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	cfg := chunk.DefaultConfig()
	cfg.DatabasePath = filepath.Join(dir, "chunks.db")

	// run is one run of the agent.
	run := func(uploader pipeline.Uploader, reports ...*report.Report) {
		store, err := chunk.NewManager(cfg)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer store.Close()
		p := pipeline.NewPipeline(&pipeline.PipelineConfig{
			Spool:       store, // with it, a report is on disk when Submit returns
			OnCompleted: func(item *pipeline.QueueItem, _ *pipeline.Result) { fmt.Println(item.ID, "uploaded") },
		}, uploader)
		for _, r := range reports {
			if id, err := p.Submit(r); err == nil {
				fmt.Println(id, "accepted")
			}
		}
		if uploader != nil {
			if err := p.Start(context.Background()); err != nil {
				fmt.Println(err)
			}
			if err := p.Flush(context.Background()); err != nil {
				fmt.Println(err)
			}
		}
		if err := p.Stop(context.Background()); err != nil {
			fmt.Println(err)
		}
	}
	run(nil, newReport("scan-1")) // ends before anything is uploaded
	run(pipeline.UploaderFunc(func(context.Context, *part.Part) (*pipeline.Result, error) { return nil, nil }))
	// Output:
	// scan-1 accepted
	// scan-1 uploaded
}

// refusal is the error of a fake uploader that no retry can change.
type refusal struct{ error }

func (refusal) Permanent() bool { return true }

// How do I test my agent without a server?
func Example_fakeUploader() {
	var got []string
	fake := pipeline.UploaderFunc(func(_ context.Context, pt *part.Part) (*pipeline.Result, error) {
		r, err := pt.Report() // as the server would decode it
		if err != nil {
			return nil, err
		}
		if r.Metadata.ID == "bad" {
			return nil, refusal{errors.New("422 unprocessable")}
		}
		got = append(got, r.Findings[0].RuleID)
		return &pipeline.Result{}, nil
	})
	p := pipeline.NewPipeline(&pipeline.PipelineConfig{
		Workers:  1,
		OnFailed: func(item *pipeline.QueueItem, err error) { fmt.Println(item.ID, "failed:", err) },
	}, fake)
	if err := p.Start(context.Background()); err != nil {
		fmt.Println(err)
	}
	for _, id := range []string{"good", "bad"} { // call the code under test here
		if _, err := p.Submit(newReport(id)); err != nil {
			fmt.Println(err)
		}
	}
	if err := p.Flush(context.Background()); err != nil { // every report has ended and its callback has returned
		fmt.Println(err)
	}
	fmt.Println("uploaded:", got)
	stats := p.GetStats()
	fmt.Println(stats.Completed, "completed,", stats.Failed, "failed")
	if err := p.Stop(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// bad failed: 422 unprocessable
	// uploaded: [private-key]
	// 1 completed, 1 failed
}

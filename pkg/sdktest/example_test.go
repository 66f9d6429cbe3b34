package sdktest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// How do I test my agent without a server, a scanner and a busy host? In this test the server refuses a report twice, and
// the job is acknowledged after the third upload. In a synctest bubble the retries take no time.
func TestMyAgentSurvivesAServerThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			source   sdktest.Source
			scanner  sdktest.Scanner
			uploader sdktest.Uploader
			host     sdktest.Sampler
		)
		a, err := agent.New(agent.Config{ // or the function that makes your agent
			Source: &source, Scanner: &scanner, Uploader: &uploader,
			Resource: resource.ControllerConfig{Sampler: &host},
		})
		if err != nil {
			t.Fatal(err)
		}
		uploader.FailNext(2, sdktest.Unavailable("connection refused"))
		nightly := source.Add(job.Spec{Target: "/src/shop"})[0]
		source.End()
		if err := a.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if nightly.State() != sdktest.Acked || uploader.Attempts() != 3 || len(uploader.Reports()) != 1 {
			t.Errorf("job is %s after %d uploads, want acked after 3", nightly.State(), uploader.Attempts())
		}
	})
}

// What did my pipeline upload? The fake reassembles reports from their parts.
func ExampleUploader() {
	var uploader sdktest.Uploader
	uploader.FailNext(1, errors.New("connection reset"))
	p := pipeline.NewPipeline(&pipeline.PipelineConfig{RetryDelay: time.Millisecond, Split: part.SplitConfig{MinFindings: 1, MaxFindings: 2}}, &uploader)
	if err := p.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	if _, err := p.Submit(sdktest.Report(5)); err != nil {
		log.Fatal(err)
	}
	if err := uploader.WaitFor(context.Background(), 1); err != nil {
		log.Fatal(err)
	}
	if err := p.Stop(context.Background()); err != nil {
		log.Fatal(err)
	}
	r := uploader.Reports()[0]
	fmt.Println(len(uploader.Parts()), "parts,", uploader.Attempts(), "attempts,", len(r.Findings), "findings, the last one:", r.Findings[4].Title)
	// Output: 3 parts, 4 attempts, 5 findings, the last one: Finding 5
}

// How do I make uploads hang while I check something?
func ExampleUploader_Hang() {
	var uploader sdktest.Uploader
	release := uploader.Hang()
	p := pipeline.NewPipeline(nil, &uploader)
	if err := p.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	if _, err := p.Submit(sdktest.Report(1)); err != nil {
		log.Fatal(err)
	}
	if err := uploader.WaitHanging(context.Background(), 1); err != nil {
		log.Fatal(err)
	}
	fmt.Println("in progress:", p.GetStats().InProgress)
	release()
	if err := p.Flush(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("uploaded:", len(uploader.Reports()))
	if err := p.Stop(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// in progress: 1
	// uploaded: 1
}

// Which events were recorded?
func ExampleRecorder() {
	var (
		events sdktest.Recorder
		host   sdktest.Sampler
	)
	host.Set(sdktest.Load{CPU: 50, Memory: 99}) // memory this low stops admission at once, CPU only after three samples
	c := resource.NewController(&resource.ControllerConfig{Sampler: &host, Sink: &events})
	if err := c.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer c.Stop()
	e, err := events.WaitFor(context.Background(), event.ResourceThrottle)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.Type, len(events.OfType(event.ResourceResume)))
	// Output: resource_throttle 0
}

// What does my code do when another agent gets its job?
func ExampleSource() {
	var source sdktest.Source
	mine := source.Add(job.Spec{ID: "nightly", LeaseTTL: time.Minute})[0]
	jobs, err := source.Next(context.Background(), job.Want{Max: 1})
	if err != nil {
		log.Fatal(err)
	}
	mine.LoseLease()
	fmt.Println(jobs[0].Extend(context.Background()))
	for _, c := range mine.Calls() {
		fmt.Println(c.Verb, c.Err, mine.State())
	}
	// Output:
	// lease lost
	// extend lease lost lost
}

// What does my agent do when a scanner hangs?
func ExampleScanner() {
	var scanner sdktest.Scanner
	scanner.DoesNext(sdktest.Hangs(), sdktest.Panics("index out of range"))
	scanner.Does(sdktest.Fails(errors.New("no such target")))
	_, err := scanner.Scan(context.Background(), scan.Request{Scanner: "gitleaks", Timeout: time.Millisecond}, nil)
	fmt.Println(err)
	func() {
		defer func() { fmt.Println("panic:", recover()) }()
		_, _ = scanner.Scan(context.Background(), scan.Request{}, nil)
	}()
	_, err = scanner.Scan(context.Background(), scan.Request{}, nil)
	fmt.Println(err)
	// Output:
	// gitleaks: context deadline exceeded
	// panic: index out of range
	// no such target
}

// What does my agent do when the host becomes busy?
func ExampleSampler() {
	var host sdktest.Sampler
	host.Set(sdktest.Load{CPU: 20, Memory: 30}, sdktest.Load{CPU: 95, Memory: 40})
	for range 3 {
		m, err := host.Sample(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("CPU %.0f%%, memory %.0f%% of %.0f GiB\n", m.CPUPercent, m.MemoryPercent, m.MemoryTotalMB/1024)
	}
	// Output:
	// CPU 20%, memory 30% of 16 GiB
	// CPU 95%, memory 40% of 16 GiB
	// CPU 95%, memory 40% of 16 GiB
}

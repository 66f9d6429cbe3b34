package agent_test

import (
	"context"
	"testing"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// The benchmark measures the agent itself: slot, report, queue, upload and Ack of a job, without a scan and a network.
func BenchmarkJob(b *testing.B) {
	a, err := agent.New(agent.Config{
		Source:  job.NewList(make([]job.Spec, b.N)...),
		Scanner: new(sdktest.Scanner),
		Uploader: pipeline.UploaderFunc(func(context.Context, *part.Part) (*pipeline.Result, error) {
			return nil, nil
		}),
		Pipeline: pipeline.PipelineConfig{QueueSize: b.N + 1},
		Resource: resource.ControllerConfig{MaxConcurrentJobs: 4, Sampler: new(sdktest.Sampler)},
	})
	must(b, err)
	b.ReportAllocs()
	b.ResetTimer()
	must(b, a.Run(context.Background()))
	b.StopTimer()
	if s := a.Status(); s.JobsCompleted != int64(b.N) || s.Pipeline.Completed != int64(b.N) {
		b.Errorf("%d jobs, Status() = %+v; want all completed", b.N, s)
	}
}

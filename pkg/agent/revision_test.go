package agent_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
)

// An earlier revision of the report of a job is still in the store. Its refusal must not end the job.
func TestEndOfAnEarlierRevisionDoesNotEndTheJob(t *testing.T) {
	var b bed
	m := durable(t, filepath.Join(t.TempDir(), "c.db"))
	if _, err := m.Put(context.Background(), &report.Report{Version: "1.0", Metadata: report.Metadata{ID: "same", Timestamp: time.Unix(1, 0)}}, part.Envelope{}); err != nil {
		t.Fatal(err)
	}
	old := make(chan struct{})
	var asked atomic.Bool
	j := b.source.Add(job.Spec{ID: "same"})[0]
	b.start(t, func(c *agent.Config) {
		c.Pipeline.Spool = m
		c.Pipeline.Workers = 1
		c.Uploader = pipeline.UploaderFunc(func(_ context.Context, p *part.Part) (*pipeline.Result, error) {
			if asked.CompareAndSwap(false, true) {
				<-old
				return nil, refusal{}
			}
			return nil, nil
		})
	})
	testkit.Eventually(t, "end of the scan during the first upload", func() bool { return b.agent.Status().JobsCompleted > 0 && asked.Load() })
	close(old)
	must(t, b.source.WaitEnded(limit(t)))
	if got := verbs(j.Calls()); got != "ack" {
		t.Errorf("verbs %q %+v", got, j.Calls())
	}
}

package agent_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// On a host that is idle except for short peaks, an agent with the default admission never throttles: for ten minutes
// every job starts when it arrives.
func TestIdleHostNeverThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bed
		b.scanner.Does(func(context.Context, scan.Request) (*report.Report, error) {
			time.Sleep(500 * time.Millisecond)
			return sdktest.Report(1), nil
		})
		var curve []sdktest.Load
		for i := range 200 { // now and then a cron job takes every CPU for two samples in a row
			l := sdktest.Load{CPU: float64(3 + i%20), Memory: float64(20 + i%7)}
			if i%12 < 2 {
				l.CPU = 100
			}
			curve = append(curve, l)
		}
		b.host.Set(curve...)
		b.start(t, func(c *agent.Config) {
			c.Resource = resource.ControllerConfig{Sampler: &b.host, Sink: &b.events}
			d := limits.DefaultLimits().DegradationConfig()
			c.Degradation = &d
		})
		for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); {
			came := time.Now()
			j := b.source.Add(job.Spec{})[0]
			must(t, j.WaitState(limit(t), sdktest.Acked))
			if took := time.Since(came); took > time.Second {
				t.Fatalf("a job of half a second took %v, Status() = %+v", took, b.agent.Status())
			}
			time.Sleep(time.Second)
		}
		if n := len(b.events.OfType(event.ResourceThrottle)); n > 0 {
			t.Errorf("%d resource_throttle events, want 0", n)
		}
		if n := len(b.events.OfType(event.DegradationChanged)); n > 0 {
			t.Errorf("%d degradation_changed events, want 0", n)
		}
		if err := b.host.WaitSamples(limit(t), 100); err != nil { // otherwise nothing was measured
			t.Error(err)
		}
	})
}

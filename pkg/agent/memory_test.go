package agent_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// Of what a scanner has reserved, only what it has not taken yet is held back: the rest is missing from the available
// memory already.
func TestWhatAScannerUsesIsNotHeldBackTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const gb = 1 << 30
		var b bed
		b.scanner.SetCost(1, 8*gb)
		grow, grown := make(chan int64), make(chan struct{})
		b.scanner.Does(func(ctx context.Context, req scan.Request) (*report.Report, error) {
			for {
				select {
				case n := <-grow:
					req.OnMemory(n)
					grown <- struct{}{}
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		})
		b.source.Add(job.Spec{})
		b.start(t)
		must(t, b.scanner.WaitRunning(limit(t), 1))
		status := func() (reserved, used int64) {
			s := b.agent.Status().Resource
			return s.ReservedBytes, s.UsedBytes
		}
		if reserved, used := status(); reserved != 8*gb || used != 0 {
			t.Fatalf("%d bytes reserved, %d used", reserved, used)
		}
		for step := range int64(3) {
			grow <- (step + 1) * 2 * gb
			<-grown
			if _, used := status(); used != (step+1)*2*gb {
				t.Errorf("step %d: %d bytes used", step, used)
			}
		}
		// 6 of 16 GiB are taken, 2 are still to come: 7 fit beside them, which beside 6 and 8 would not.
		b.host.Set(sdktest.Load{CPU: 5, Memory: 37.5})
		time.Sleep(time.Minute)
		b.scanner.SetCost(1, 7*gb)
		b.source.Add(job.Spec{})
		must(t, b.scanner.WaitRunning(limit(t), 2))
	})
}

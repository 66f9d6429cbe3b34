package agent_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/scan/scantest"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// Only the part of a reservation that the scanner does not use yet is held back, because the rest is already missing from
// the available memory.
func TestUsedMemoryIsNotCountedTwice(t *testing.T) {
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
		// 6 of 16 GiB are used and 2 are still reserved, so that 7 fit. They would not fit beside 6 used and 8 reserved.
		b.host.Set(sdktest.Load{CPU: 5, Memory: 37.5})
		time.Sleep(time.Minute)
		b.scanner.SetCost(1, 7*gb)
		b.source.Add(job.Spec{})
		must(t, b.scanner.WaitRunning(limit(t), 2))
	})
}

// The first scan of a scanner that declares no memory determines what the next ones reserve: of ten jobs, only as many run
// at once as there is memory for.
func TestLearnedMemoryBoundsTheNumberOfScans(t *testing.T) {
	if !scan.Supported().Memory {
		t.Skip("memory is not measured on this system")
	}
	const took = 64 << 20
	table, err := scan.NewTable(scantest.Definition(t, scantest.MemorySteps(1, took, 500*time.Millisecond)))
	must(t, err)
	runner, err := scan.NewRunner(scan.Config{Table: table, Dir: t.TempDir()})
	must(t, err)
	target := t.TempDir()
	must(t, os.WriteFile(filepath.Join(target, "f"), []byte("x"), 0o600))
	spec := job.Spec{Scanner: scantest.Name, Target: target}

	var b bed
	host := &roomFor{}
	scanner := &counted{Runner: runner}
	first := b.source.Add(spec)[0]
	b.start(t, func(c *agent.Config) {
		c.Scanner = scanner
		c.Resource = resource.ControllerConfig{MaxConcurrentJobs: 10, MemoryReserveBytes: -1, CPUThreshold: -1, SampleInterval: 10 * time.Millisecond, Sampler: host}
	})
	must(t, first.WaitState(limit(t), sdktest.Acked))
	cost := runner.Cost(spec.Scanner, target)
	if !cost.Learned || cost.MemoryBytes < took {
		t.Fatalf("Cost = %+v after a scan that used %d bytes", cost, took)
	}
	const fit = 3
	host.bytes.Store(fit*cost.MemoryBytes + cost.MemoryBytes/2)
	testkit.Eventually(t, "sample of the new memory", func() bool {
		return b.agent.Status().Resource.Metrics.MemoryAvailableBytes == host.bytes.Load()
	})
	scanner.most.Store(0)
	jobs := make([]*sdktest.Job, 0, 10)
	for range 10 {
		jobs = append(jobs, b.source.Add(spec)...)
	}
	for _, j := range jobs {
		must(t, j.WaitState(limit(t), sdktest.Acked))
	}
	if most := scanner.most.Load(); most != fit {
		t.Errorf("%d scans ran at once, want at most %d", most, fit)
	}
}

// counted is a runner that does not report what its scans use, because the memory of the host in this test is constant.
type counted struct {
	*scan.Runner
	now, most atomic.Int64
}

func (c *counted) Scan(ctx context.Context, req scan.Request, open scan.OpenFunc) (*scan.Result, error) {
	now := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
	req.OnMemory = nil
	return c.Runner.Scan(ctx, req, open)
}

// roomFor is a host with the given memory, all of it available.
type roomFor struct{ bytes atomic.Int64 }

func (h *roomFor) Sample(context.Context) (resource.SystemMetrics, error) {
	m := resource.SystemMetrics{CPUSource: "host", NumCPU: 4}
	if n := h.bytes.Load(); n > 0 {
		m.MemorySource, m.MemoryTotalMB = "host", float64(n)/(1<<20)
		m.MemoryAvailableBytes, m.MemoryLimitBytes = n, n
	}
	return m, nil
}

package sdktest

import (
	"context"
	"fmt"
	"slices"

	"github.com/rediverio/sdk/pkg/resource"
)

// Load is the load of a host in percent.
type Load struct{ CPU, Memory float64 }

// Sampler is a resource.Sampler of a fictitious host with 16 GiB of memory. The host is idle until Set is called.
type Sampler struct {
	mu      state
	curve   []Load // the next samples; the last one is repeated
	err     error
	samples int
}

var _ resource.Sampler = (*Sampler)(nil)

// HostMemory is the memory of the host of a Sampler, in bytes.
const HostMemory = 16 << 30

// Set sets the loads of the next samples. The last one is repeated. Without arguments the host is idle. Set undoes Fail.
func (s *Sampler) Set(curve ...Load) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.curve, s.err = slices.Clone(curve), nil
}

// Fail makes samples fail with err until Set is called.
func (s *Sampler) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Sample implements resource.Sampler.
func (s *Sampler) Sample(context.Context) (resource.SystemMetrics, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples++
	s.mu.changedLocked()
	if s.err != nil {
		return resource.SystemMetrics{}, s.err
	}
	l := Load{CPU: 5, Memory: 10}
	if len(s.curve) > 0 {
		l = s.curve[0]
	}
	if len(s.curve) > 1 {
		s.curve = s.curve[1:]
	}
	const mb = 1 << 20
	return resource.SystemMetrics{
		CPUPercent: l.CPU, CPUSource: "host", NumCPU: 4,
		MemoryPercent: l.Memory, MemorySource: "host", MemoryTotalMB: HostMemory / mb, MemoryUsedMB: l.Memory / 100 * HostMemory / mb,
		MemoryAvailableBytes: int64((100 - l.Memory) / 100 * HostMemory), MemoryLimitBytes: HostMemory,
	}, nil
}

// WaitSamples waits until n samples were taken.
func (s *Sampler) WaitSamples(ctx context.Context, n int) error {
	return s.mu.wait(ctx, func() (bool, string) { return s.samples >= n, fmt.Sprintf("%d of %d samples taken", s.samples, n) })
}

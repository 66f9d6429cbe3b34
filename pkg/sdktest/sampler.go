package sdktest

import (
	"context"
	"fmt"
	"slices"

	"github.com/rediverio/sdk/pkg/resource"
)

// Load is how busy a host is, in percent.
type Load struct{ CPU, Memory float64 }

// Sampler is a resource.Sampler of a made-up host with 16 GiB of memory, idle until it is told otherwise.
type Sampler struct {
	mu      state
	curve   []Load // the next samples; the last one stays
	err     error
	samples int
}

var _ resource.Sampler = (*Sampler)(nil)

// HostMemory is the memory of the host that a Sampler makes up, in bytes.
const HostMemory = 16 << 30

// Set says what the samples to come show, one load each; the last one stays. It ends what Fail began. Without any
// load the host is idle.
func (s *Sampler) Set(curve ...Load) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.curve, s.err = slices.Clone(curve), nil
}

// Fail makes the samples to come fail with err, until Set.
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

package resource

import "context"

// Measure takes one sample of this host, as the controller does. What is a difference of two samples is not in it: the use
// of CPU, the pressure, what happened since. The error is that of a Sampler.
func Measure(ctx context.Context, diskPaths ...string) (SystemMetrics, error) {
	s := newSystemSampler(diskPaths...)
	defer s.close()
	return s.Sample(ctx)
}

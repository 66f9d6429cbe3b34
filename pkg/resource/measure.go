package resource

import "context"

// Measure takes one sample of this host, as a Controller does. It lacks what is a difference between two samples: CPU use,
// pressure and events. The error is the one of Sampler.Sample.
func Measure(ctx context.Context, diskPaths ...string) (SystemMetrics, error) {
	s := newSystemSampler(diskPaths...)
	defer s.close()
	return s.Sample(ctx)
}

package agent

import (
	"context"
	"errors"
	"time"

	"github.com/rediverio/sdk/pkg/job"
)

// minExtend is the shortest time between two extensions of a lease, whatever its duration.
const minExtend = 100 * time.Millisecond

// keepLease extends the lease of the job until the job has ended. If the lease is lost it cancels the scan, and no other
// method of the job is called.
func (r *run) keepLease(d *delivery) {
	if r.spec.LeaseTTL <= 0 {
		return
	}
	every := max(r.spec.LeaseTTL/3, minExtend)
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-t.C:
		}
		ctx, cancel := context.WithTimeout(d.ctx, every)
		err := r.job.Extend(ctx)
		cancel()
		for _, end := range []error{job.ErrLeaseLost, job.ErrCanceled} {
			if errors.Is(err, end) {
				d.lost.Store(true)
				r.cancel(end)
				return
			}
		}
		if err != nil && d.ctx.Err() == nil {
			r.a.problem(r.spec, "lease of a job could not be extended", err)
		}
	}
}

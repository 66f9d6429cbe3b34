package agent

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rediverio/sdk/internal/retry"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
)

// deliveries are the jobs whose report is not at the receiver yet. A job is acknowledged only when it is, so that a job
// whose agent dies is delivered again rather than lost.
type deliveries struct {
	acks   sync.WaitGroup // goroutines that acknowledge jobs
	leases sync.WaitGroup // goroutines that extend leases

	mu      sync.Mutex
	waiting map[deliveryKey]*delivery
}

type deliveryKey struct{ tenant, report string }

// delivery is a job on its way. The mutex of deliveries guards the fields after lost.
type delivery struct {
	key  deliveryKey
	job  job.Job
	spec job.Spec
	ctx  context.Context // ends when the lease need not be extended any more
	end  context.CancelFunc
	lost atomic.Bool // the lease was lost or the job was withdrawn

	scanned, uploaded bool // the job is acknowledged when both are true
	err               error
	revision          string           // revision of the report, known after the scan; empty: any
	ended             map[string]error // uploads that ended before the scan, by revision
}

// revision returns what the keys of all parts of one revision of a report have in common. The store may still hold an
// earlier revision, whose outcome does not concern the job.
func revision(partKey string) string { return partKey[:strings.LastIndexByte(partKey, '.')+1] }

// inHandError refuses a job that its source has delivered again before the agent was done with it.
type inHandError struct{ id string }

func (e *inHandError) Error() string   { return "job " + e.id + " is already in hand" }
func (e *inHandError) Temporary() bool { return true }

// expect registers the job before its scan, because its upload may end first. Of two jobs with the same ID at a time,
// which would have the same report, the second is refused.
func (a *Agent) expect(r *run) (*delivery, error) {
	d := &delivery{key: deliveryKey{r.spec.TenantID, report.CleanID(r.spec.ID)}, job: r.job, spec: r.spec, ended: map[string]error{}}
	d.ctx, d.end = context.WithCancel(context.Background())
	a.deliveries.mu.Lock()
	defer a.deliveries.mu.Unlock()
	if other := a.deliveries.waiting[d.key]; other != nil {
		if !other.scanned || !other.lost.Load() { // a scanned job whose lease is lost has no verb to call
			d.end()
			return nil, &inHandError{r.spec.ID}
		}
		other.end()
	}
	a.deliveries.waiting[d.key] = d
	return d, nil
}

// forget removes a job that has no report.
func (a *Agent) forget(d *delivery) {
	a.deliveries.mu.Lock()
	delete(a.deliveries.waiting, d.key)
	a.deliveries.mu.Unlock()
	d.end()
}

// submitted notes that the scan has ended and its report was accepted. uploaded means that the receiver had the same
// content already.
func (a *Agent) submitted(d *delivery, sum part.Summary, uploaded bool) {
	a.settle(d.key, func(d *delivery) {
		d.scanned, d.uploaded = true, d.uploaded || uploaded
		if sum.Content != [32]byte{} {
			d.revision = revision(part.Key(d.key.report, sum.Content, 0))
		}
		for rev, err := range d.ended {
			if d.revision == "" || d.revision == rev {
				d.uploaded, d.err = true, err
			}
		}
	})
}

// delivered notes that the uploads of a report have ended.
func (a *Agent) delivered(key deliveryKey, partKey string, err error) {
	a.settle(key, func(d *delivery) {
		switch rev := revision(partKey); {
		case !d.scanned && rev != "":
			d.ended[rev] = err
		case rev == "" || d.revision == "" || rev == d.revision:
			d.uploaded, d.err = true, err
		}
	})
}

func (a *Agent) settle(key deliveryKey, change func(*delivery)) {
	a.deliveries.mu.Lock()
	defer a.deliveries.mu.Unlock()
	d := a.deliveries.waiting[key]
	if d == nil {
		return
	}
	if change(d); d.scanned && d.uploaded {
		delete(a.deliveries.waiting, key)
		a.deliveries.acks.Go(func() { a.acknowledge(d) })
	}
}

// acknowledge ends a job at its source. A job whose report became a dead letter fails; one whose report was only in memory
// when the agent stopped is returned.
func (a *Agent) acknowledge(d *delivery) {
	defer d.end()
	a.endAtSource(d.spec, func(ctx context.Context) error {
		switch {
		case d.lost.Load(): // also while it was tried again
			return nil
		case errors.Is(d.err, pipeline.ErrStopped):
			return d.job.Nak(ctx, 0)
		case d.err != nil:
			return d.job.Fail(ctx, "report could not be uploaded: "+d.err.Error())
		}
		return d.job.Ack(ctx)
	})
}

// verbTimeout bounds the time in which a job is ended at its source.
const verbTimeout = 30 * time.Second

// endAtSource calls a method that ends a job, repeatedly while the source cannot be reached, because some sources would
// never deliver the job again. After Abort it calls it once.
func (a *Agent) endAtSource(spec job.Spec, verb func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), verbTimeout)
	defer cancel()
	again, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(a.scanCtx, stop)()
	backoff := retry.Policy{Initial: time.Second, Max: verbTimeout}
	for n := 1; ; n++ {
		err := verb(ctx)
		if err == nil {
			return
		}
		if final(err) || a.scanCtx.Err() != nil || sleep(again, backoff.Delay(n)) != nil {
			a.problem(spec, "job could not be ended at its source", err)
			return
		}
	}
}

// final reports whether a method of a job that has failed would fail again.
func final(err error) bool {
	var p interface{ Permanent() bool }
	return errors.Is(err, job.ErrLeaseLost) || errors.Is(err, job.ErrCanceled) || errors.As(err, &p) && p.Permanent()
}

// endDeliveries waits for the acknowledgements in progress. A job whose report is still in the store keeps its lease until
// that expires; the report is uploaded after the next start.
func (a *Agent) endDeliveries() {
	a.deliveries.acks.Wait()
	a.deliveries.mu.Lock()
	for _, d := range a.deliveries.waiting {
		d.end()
	}
	a.deliveries.mu.Unlock()
	a.deliveries.leases.Wait()
}

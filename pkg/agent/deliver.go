package agent

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
)

// deliveries are the jobs whose report is not upstream yet. A job is acknowledged only when it is, so that a job
// whose agent dies is done again rather than lost.
type deliveries struct {
	mu      sync.Mutex
	waiting map[deliveryKey]*delivery
	acks    sync.WaitGroup
	leases  sync.WaitGroup // those who extend them
}

type deliveryKey struct{ tenant, report string }

type delivery struct {
	key  deliveryKey
	job  job.Job
	spec job.Spec        // of the job
	ctx  context.Context // done when the lease need not be extended any more
	end  context.CancelFunc
	lost atomic.Bool // the lease is, or the job was withdrawn

	scanned, uploaded bool             // both must be true
	err               error            // of the upload
	revision          string           // of the report, once it is scanned; empty: any
	ended             map[string]error // the uploads that ended before that, by revision
}

// revision is what the keys of all parts of one revision of a report have in common. The store may still hold an earlier
// one, whose end says nothing of the job.
func revision(partKey string) string { return partKey[:strings.LastIndexByte(partKey, '.')+1] }

// inHandError refuses a job that its source handed out again before the agent was done with it.
type inHandError struct{ id string }

func (e *inHandError) Error() string   { return "job " + e.id + " is in hand already" }
func (e *inHandError) Temporary() bool { return true }

// expect notes, before the scan, that the job's report will have to be delivered: its upload may end first. Two jobs
// at a time with the same ID would have the same report, so the second one is refused.
func (a *Agent) expect(r *run) (*delivery, error) {
	d := &delivery{key: deliveryKey{r.spec.TenantID, report.CleanID(r.spec.ID)}, job: r.job, spec: r.spec, ended: map[string]error{}}
	d.ctx, d.end = context.WithCancel(context.Background())
	a.deliveries.mu.Lock()
	defer a.deliveries.mu.Unlock()
	if w := a.deliveries.waiting[d.key]; w != nil && !(w.scanned && w.lost.Load()) { // nobody waits for the end of a lost one
		d.end()
		return nil, &inHandError{r.spec.ID}
	} else if w != nil {
		w.end()
	}
	a.deliveries.waiting[d.key] = d
	return d, nil
}

// forget ends the watch over a job that gave no report.
func (a *Agent) forget(d *delivery) {
	a.deliveries.mu.Lock()
	delete(a.deliveries.waiting, d.key)
	a.deliveries.mu.Unlock()
	d.end()
}

// submitted notes that the scan is over and its report accepted; uploaded: the same content was upstream before.
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

// delivered notes the end of a report's uploads.
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
	d := a.deliveries.waiting[key]
	if d != nil {
		change(d)
	}
	done := d != nil && d.scanned && d.uploaded
	if done {
		delete(a.deliveries.waiting, key)
	}
	a.deliveries.mu.Unlock()
	if done {
		a.deliveries.acks.Go(func() { a.acknowledge(d) })
	}
}

// acknowledge ends a job at its source: a report that became a dead letter fails it, one that was only in memory when the
// agent stopped gives it back.
func (a *Agent) acknowledge(d *delivery) {
	defer d.end()
	a.endAtSource(d.spec, func(ctx context.Context) error {
		switch {
		case d.lost.Load(): // somebody else's now: no verb
			return nil
		case errors.Is(d.err, pipeline.ErrStopped):
			return d.job.Nak(ctx, 0)
		case d.err != nil:
			return d.job.Fail(ctx, "report could not be uploaded: "+d.err.Error())
		}
		return d.job.Ack(ctx)
	})
}

// verbTimeout bounds the calls to the source that end a job.
const verbTimeout = 30 * time.Second

// endAtSource calls a verb that ends a job, again where the source cannot be reached, for some sources would never hand
// out the job to anybody else. Cut leaves it at one call.
func (a *Agent) endAtSource(spec job.Spec, verb func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), verbTimeout)
	defer cancel()
	again, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(a.scanCtx, stop)()
	pause := pauser{first: time.Second, most: verbTimeout}
	for {
		err := verb(ctx)
		if err == nil {
			return
		}
		if final(err) || a.scanCtx.Err() != nil || pause.wait(again) != nil {
			a.problem(spec, "job "+spec.ID+" could not be ended at its source", err)
			return
		}
	}
}

// final says whether a verb that failed would fail again.
func final(err error) bool {
	var p interface{ Permanent() bool }
	return errors.Is(err, job.ErrLeaseLost) || errors.Is(err, job.ErrCanceled) || errors.As(err, &p) && p.Permanent()
}

// endDeliveries waits for the acknowledgements under way. Jobs whose report is still in the store keep their lease
// until it runs out: it is uploaded at the next start.
func (a *Agent) endDeliveries() {
	a.deliveries.acks.Wait()
	a.deliveries.mu.Lock()
	for _, d := range a.deliveries.waiting {
		d.end()
	}
	a.deliveries.mu.Unlock()
	a.deliveries.leases.Wait()
}

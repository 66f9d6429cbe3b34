package pool

import (
	"time"

	"github.com/rediverio/sdk/internal/retry"
)

// trouble is what the pool knows of failures in a row. It is guarded by the pool's mutex.
type trouble struct {
	failures int
	last     *Error
	again    time.Time     // before which nothing is started
	changed  chan struct{} // closed by the next start or failure; nil: nobody watches
	timer    *time.Timer   // for the next start; nil: none is due
}

// failedLocked takes down a failed start or a crash. Where the pool gives up for now, who waits is told.
func (p *Pool) failedLocked(err *Error) {
	t := &p.trouble
	t.failures++
	t.again = time.Now().Add(retry.Policy{Initial: p.cfg.Backoff, Max: p.cfg.MaxBackoff}.Delay(t.failures))
	t.last = err
	t.tell()
	if gaveUp := t.givenUp(p.cfg.MaxFailures); gaveUp != nil && p.runningLocked() == 0 {
		p.count.failed += int64(len(p.waiters))
		for _, w := range p.waiters {
			w.got <- grant{err: gaveUp}
		}
		p.waiters = nil
	}
}

// runningLocked counts the instances that are, or may become, free.
func (p *Pool) runningLocked() (n int) {
	for i := range p.all {
		if i.state != ending {
			n++
		}
	}
	return n
}

// givenUp returns the error for callers when there were too many failures, nil otherwise.
func (t *trouble) givenUp(most int) error {
	if t.failures < most {
		return nil
	}
	e := *t.last
	e.RetryAfter = t.again
	return &e
}

// watch returns a channel that is closed by the next start or failure.
func (t *trouble) watch() <-chan struct{} {
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	return t.changed
}

func (t *trouble) tell() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// over forgets the failures: a server has answered.
func (t *trouble) over() { t.failures = 0 }

// stop gives up the next start.
func (t *trouble) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// later calls retry after a pause, once.
func (t *trouble) later(pause time.Duration, retry func()) {
	t.stop()
	t.timer = time.AfterFunc(pause, retry)
}

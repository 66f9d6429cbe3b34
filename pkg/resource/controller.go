package resource

import (
	"context"
	"sync"
	"time"
)

// callbackGrace is how long Stop waits for a callback that does not return.
const callbackGrace = 5 * time.Second

// Controller grants slots to jobs while the host has room. Every method may be called concurrently.
//
// It works from the moment NewController returns, by slots alone; Start adds the sampling of the host. After Stop,
// or once the context given to Start is done, it grants nothing more; what was granted stays granted and is
// released as ever.
type Controller struct {
	cfg    ControllerConfig
	notify *notifier

	looped chan struct{} // closed when the sampling loop has ended

	mu sync.Mutex // guards everything below; no sampler, sink or callback runs under it, but the config's Gate

	started bool
	closed  bool
	cancel  context.CancelFunc // ends the sampling loop; nil before Start

	max     int                // slots
	wanted  int                // slots without the ceiling
	ceiling int                // of SetCeiling; MaxJobs: none
	slots   int                // of them in use
	jobs    int                // grants in force, whatever their slots
	single  waiter             // what the counter API asks for
	counted int                // of them taken with AcquireSlot or AcquireSlotBlocking, one slot each
	memory  map[*Slot]struct{} // of them with a memory reservation
	grants  uint64             // grants ever, which numbers them
	waiters []*waiter          // by priority, then arrival
	arrived uint64             // waiters ever, which numbers them
	starved int                // waiters that were passed MaxBypass times
	ledger  *ledger            // of budgets; nil, for good, where nothing is budgeted

	rejected     int64
	tally        tally
	overReleased int64

	metrics   SystemMetrics
	sampleErr error // of the newest attempt
	lastGood  time.Time
	reserve   int64 // bytes that stay free, for the newest sample
	gate      gate
	bar       bar
	warning   gate
	adviser   adviser
	refusal   ErrThrottled // the newest; see refuseLocked

	granted func(need) // looks at every grant before it counts as memory; of a test, else nil
}

// NewController returns a controller for cfg, which may be nil. It starts nothing.
//
// A field that is out of range counts as its default, for there is no error to return; a caller that takes its
// configuration from outside calls ControllerConfig.Validate first.
func NewController(cfg *ControllerConfig) *Controller {
	var c ControllerConfig
	if cfg != nil {
		c = *cfg
	}
	c = c.normalise()
	ctl := &Controller{
		cfg: c, notify: newNotifier(), looped: make(chan struct{}),
		max: c.MaxConcurrentJobs, wanted: c.MaxConcurrentJobs, ceiling: MaxJobs, memory: make(map[*Slot]struct{}),
		gate: gate{cooldown: c.CooldownDuration}, warning: gate{cooldown: c.CooldownDuration},
		adviser: adviser{advice: c.MaxConcurrentJobs}, ledger: newLedger(c),
		single: waiter{need: need{slots: 1}},
	}
	if ctl.ledger != nil {
		ctl.single.need.bill = &ctl.ledger.standard.plain
	}
	return ctl
}

// Start takes the first sample, and then one each SampleInterval until ctx is done or Stop is called. When ctx is
// done the controller closes, as by Stop. It fails with ErrStarted the second time and with ErrClosed after Stop.
func (c *Controller) Start(ctx context.Context) error {
	c.mu.Lock()
	if c.closed || c.started {
		defer c.mu.Unlock()
		if c.closed {
			return ErrClosed
		}
		return ErrStarted
	}
	c.started = true
	ctx, c.cancel = context.WithCancel(ctx)
	c.lastGood = time.Now()
	c.adviser.since = c.lastGood
	c.mu.Unlock()

	go c.notify.run()
	c.sample(ctx)
	go c.loop(ctx)
	return nil
}

func (c *Controller) loop(ctx context.Context) {
	defer close(c.looped)
	defer c.notify.close()
	if s, ok := c.cfg.Sampler.(*systemSampler); ok {
		defer s.close()
	}
	// CPU use is a difference of two samples: the second one comes early, so that it is known early.
	tick := time.NewTicker(min(c.cfg.SampleInterval, time.Second))
	defer tick.Stop()
	for first := true; ; first = false {
		select {
		case <-ctx.Done():
			c.close()
			return
		case <-tick.C:
			c.sample(ctx)
			if first {
				tick.Reset(c.cfg.SampleInterval)
			}
		}
	}
}

// Stop closes the controller: waiting requests fail with ErrClosed, later ones too. It returns when sampling has
// ended and the callbacks have run, but waits no more than a few seconds for a callback that hangs. It is safe
// twice and before Start.
func (c *Controller) Stop() {
	c.close()
	c.mu.Lock()
	cancel := c.cancel
	c.mu.Unlock()
	if cancel == nil {
		return
	}
	cancel()
	<-c.looped
	grace := time.NewTimer(callbackGrace)
	defer grace.Stop()
	select {
	case <-c.notify.done:
	case <-grace.C:
	}
}

// close refuses what waits and what comes.
func (c *Controller) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.gate.reset()
	for len(c.waiters) > 0 {
		c.settleLocked(c.waiters[0], nil, ErrClosed)
	}
}

// SetMaxConcurrentJobs changes the number of slots. More slots serve waiting requests at once. Fewer revoke
// nothing: running jobs keep theirs, none is granted until enough were released, and waiting requests that now
// need more than there are fail with ErrTooLarge. n is held between MinConcurrentJobs and MaxJobs. With
// ControllerConfig.AdaptiveConcurrency the adaptation goes on from n.
func (c *Controller) SetMaxConcurrentJobs(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resizeLocked(min(max(n, c.cfg.MinConcurrentJobs), MaxJobs))
	c.adviser.restart(time.Now(), c.max)
	c.serveLocked()
}

// SetCeiling bounds the number of slots for a time, whatever SetMaxConcurrentJobs and the adaptation say; zero or less
// lifts the bound, and the slots are again as many as those have said last. It revokes nothing, as
// SetMaxConcurrentJobs, and leaves MinConcurrentJobs.
func (c *Controller) SetCeiling(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ceiling = MaxJobs
	if n > 0 {
		c.ceiling = max(n, c.cfg.MinConcurrentJobs)
	}
	c.resizeLocked(c.wanted)
	c.adviser.restart(time.Now(), c.max)
	c.serveLocked()
}

// resizeLocked is the one way to change the number of slots. Who calls it serves those that wait.
func (c *Controller) resizeLocked(n int) {
	c.wanted, c.max = n, min(n, c.ceiling)
	if c.ledger != nil {
		c.ledger.settle(c.max, c.allLocked())
	}
}

package resource

import (
	"context"
	"sync"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// callbackGrace is how long Stop waits for a callback that does not return.
const callbackGrace = 5 * time.Second

// Controller grants slots to jobs while the host has room. Every method may be called concurrently.
//
// It works from the moment NewController returns, by slots alone; Start adds the sampling of the host. After Stop, or once
// the context given to Start is done, it grants nothing more. Grants in force stay valid and are released as usual.
type Controller struct {
	cfg     ControllerConfig
	invalid error // of cfg, see NewController
	events  *event.Outlet
	notify  *notifier

	looped chan struct{} // closed when the sampling loop has ended

	mu sync.Mutex // guards everything below. Only the config's Gate is called under it; samplers, sinks and callbacks are not

	started bool
	closed  bool
	cancel  context.CancelFunc // ends the sampling loop; nil before Start

	max     int                // slots now
	wanted  int                // slots without the ceiling
	ceiling int                // of SetCeiling; MaxJobs if there is none
	slots   int                // slots in use
	jobs    int                // grants in force, whatever their slots
	single  waiter             // the request of the counter API
	counted int                // grants of AcquireSlot and AcquireSlotBlocking, one slot each
	memory  map[*Slot]struct{} // grants with a memory reservation
	grants  uint64             // grants since the beginning; it numbers them
	waiters []*waiter          // by priority, then arrival
	arrived uint64             // waiters since the beginning; it numbers them
	starved int                // waiters that were passed MaxBypass times
	ledger  *ledger            // nil for good if nothing is budgeted

	subscribers []chan struct{}

	rejected     int64
	tally        tally
	overReleased int64

	metrics   SystemMetrics
	sampleErr error // of the newest attempt
	lastGood  time.Time
	reserve   int64 // bytes that stay free, by the newest sample
	throttle  throttle
	gate      admissionGate
	warning   throttle
	adviser   adviser
	refusal   ThrottledError // the newest one; see refuseLocked

	granted func(need) // called by tests for every grant before it is booked
}

// NewController returns a controller for cfg, which may be nil. It starts nothing.
//
// It cannot return the error of a configuration that is out of range, so Start returns it. Until then, and after, such a
// controller grants nothing, and Acquire, TryAcquire and CanAcquire return the error too.
func NewController(cfg *ControllerConfig) *Controller {
	var c ControllerConfig
	if cfg != nil {
		c = *cfg
	}
	invalid := c.Validate()
	if invalid != nil {
		c = ControllerConfig{Sink: c.Sink, Sampler: c.Sampler}
	}
	c = c.WithDefaults()
	if c.Sampler == nil {
		c.Sampler = newSystemSampler(c.DiskPaths...)
	}
	ctl := &Controller{
		cfg: c, invalid: invalid, events: event.NewOutlet(c.Sink), notify: newNotifier(), looped: make(chan struct{}),
		max: c.MaxConcurrentJobs, wanted: c.MaxConcurrentJobs, ceiling: MaxJobs, memory: make(map[*Slot]struct{}),
		throttle: throttle{cooldown: c.CooldownDuration}, warning: throttle{cooldown: c.CooldownDuration},
		adviser: adviser{advice: c.MaxConcurrentJobs}, ledger: newLedger(c),
		single: waiter{need: need{slots: 1}},
	}
	if ctl.ledger != nil {
		ctl.single.need.account = ctl.ledger.accounts[0]
	}
	return ctl
}

// SetDefaultSink implements event.SinkSetter.
func (c *Controller) SetDefaultSink(s event.Sink) { c.events.SetDefaultSink(s) }

// Start takes the first sample, and then one each SampleInterval until ctx is done or Stop is called. When ctx is done the
// controller closes, as by Stop. Start returns the error of a configuration that is out of range, ErrStarted if called
// again, and ErrClosed after Stop.
func (c *Controller) Start(ctx context.Context) error {
	if c.invalid != nil {
		return c.invalid
	}
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
	// CPU use is the difference of two samples. The second one is taken early, so that it is known early.
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

// Stop closes the controller: waiting and later requests fail with ErrClosed. It returns when sampling has ended and the
// callbacks have run, but waits only a few seconds for a callback that hangs. Stop may be called more than once and before
// Start.
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

// close refuses waiting and later requests.
func (c *Controller) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.throttle.reset()
	for len(c.waiters) > 0 {
		c.settleLocked(c.waiters[0], nil, ErrClosed)
	}
}

// SetMaxConcurrentJobs changes the number of slots. More slots serve waiting requests at once. Fewer revoke nothing: running
// jobs keep their slots, no slot is granted until enough are released, and waiting requests that now need more than there
// are fail with a *TooLargeError. n is kept between MinConcurrentJobs and MaxJobs. With ControllerConfig.AdaptiveConcurrency the
// adaptation continues from n.
func (c *Controller) SetMaxConcurrentJobs(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resizeLocked(min(max(n, c.cfg.MinConcurrentJobs), MaxJobs))
	c.adviser.restart(time.Now(), c.max)
	c.serveLocked()
}

// SetCeiling bounds the number of slots temporarily, whatever SetMaxConcurrentJobs and the adaptation set. Zero or less
// removes the bound and restores the number they set last. Like SetMaxConcurrentJobs it revokes nothing, and it leaves at
// least MinConcurrentJobs.
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

// resizeLocked changes the number of slots. The caller then serves waiting requests.
func (c *Controller) resizeLocked(n int) {
	c.wanted, c.max = n, min(n, c.ceiling)
	if c.ledger != nil {
		c.ledger.settle(c.max, c.allLocked())
	}
}

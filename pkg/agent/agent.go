package agent

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/resource"
)

// Agent is one daemon. Run does its work. The other methods may be called concurrently with it.
type Agent struct {
	cfg        Config
	sink       event.Sink // Config.Sink and the bus
	bus        *event.Bus
	controller *resource.Controller
	pipeline   *pipeline.Pipeline
	rebalancer *limits.Rebalancer // nil: guarantees do not move
	degrader   degrader
	deliveries deliveries
	status     statusTracker

	ran     atomic.Bool
	jobs    sync.WaitGroup
	scanCtx context.Context // parent of all scans; it outlives the context of Run until the drain is over
	abort   context.CancelCauseFunc
}

// New returns an agent that is ready to run, or the error of cfg.Validate. cfg is not changed. The callbacks in
// cfg.Pipeline are called in addition to the agent's own.
func New(cfg Config) (*Agent, error) {
	c := cfg.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	a := &Agent{cfg: c, bus: c.Bus}
	a.scanCtx, a.abort = context.WithCancelCause(context.Background())
	a.deliveries.waiting = map[deliveryKey]*delivery{}
	a.status.init()
	if err := a.connectEvents(); err != nil {
		return nil, err
	}
	if err := a.newController(); err != nil {
		return nil, err
	}
	a.newPipeline()
	return a, nil
}

func (a *Agent) newController() (err error) {
	a.degrader.a = a
	if a.cfg.Degradation != nil {
		if a.degrader.level, err = limits.NewDegradation(*a.cfg.Degradation); err != nil {
			return fmt.Errorf("agent degradation: %w", err)
		}
	}
	r := a.cfg.Resource
	r.Gate = a.degrader.gated(r.Gate)
	if r.Sink == nil {
		r.Sink = a.sink
	}
	a.controller = resource.NewController(&r)
	if a.rebalancer, err = limits.NewRebalancer(a.controller, a.cfg.Rebalance, a.sink); err != nil {
		return fmt.Errorf("agent rebalancing: %w", err)
	}
	return nil
}

func (a *Agent) newPipeline() {
	p := a.cfg.Pipeline
	user := p // with the callbacks of the caller
	if p.Sink == nil {
		p.Sink = a.sink
	}
	// The agent's part is deferred, with a key taken before, because a callback may panic or change its argument.
	p.OnCompleted = func(item *pipeline.QueueItem, res *pipeline.Result) {
		defer a.delivered(deliveryKey{item.TenantID, item.ID}, item.PartKey, nil)
		if user.OnCompleted != nil {
			user.OnCompleted(item, res)
		}
	}
	p.OnFailed = func(item *pipeline.QueueItem, err error) {
		defer a.delivered(deliveryKey{item.TenantID, item.ID}, item.PartKey, err)
		if user.OnFailed != nil {
			user.OnFailed(item, err)
		}
	}
	a.pipeline = pipeline.NewPipeline(&p, a.cfg.Uploader)
}

// Pipeline returns the upload pipeline of the agent, to which reports that belong to no job may be submitted as well.
func (a *Agent) Pipeline() *pipeline.Pipeline { return a.pipeline }

// Controller returns the controller that admits the jobs of the agent.
func (a *Agent) Controller() *resource.Controller { return a.controller }

// Subscribe calls h for the events of the given types that the agent and its parts record, or for all events if no type
// is given; see event.Bus.Subscribe. Events may be dropped if handlers are slow, which Status.Bus counts.
func (a *Agent) Subscribe(h event.Handler, types ...event.Type) (unsubscribe func()) {
	return a.bus.Subscribe(h, types...)
}

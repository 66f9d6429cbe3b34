package pool

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rediverio/sdk/internal/config"
)

// tendEvery is how often the pool looks after its instances.
const tendEvery = 500 * time.Millisecond

// tendPart bounds what measuring memory costs: at most one part in tendPart of a CPU.
const tendPart = 20

// tend looks after the instances until the pool is closed.
func (p *Pool) tend() {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	var next time.Time
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-tick.C:
		}
		if begin := time.Now(); !begin.Before(next) {
			p.weigh()
			next = time.Now().Add(tendPart * time.Since(begin))
		}
		p.mu.Lock()
		for _, i := range slices.Clone(p.idle) {
			p.tendLocked(i)
		}
		p.mu.Unlock()
	}
}

// weigh measures the memory of all instances, and ends those that take too much.
func (p *Pool) weigh() {
	p.mu.Lock()
	var all []*instance
	for i := range p.all {
		if i.state != ending {
			all = append(all, i)
		}
	}
	p.mu.Unlock()
	for _, i := range all {
		limit := config.OrOff(p.cfg.MemoryBytes)
		bytes, over := i.process.Memory(limit)
		if hard := p.cfg.HardMemoryBytes; hard > 0 && bytes > hard {
			if _, over := i.process.Memory(hard); over {
				i.conn.fail(Memory, &memoryError{bytes, hard})
			}
		}
		p.mu.Lock()
		i.bytes = bytes
		p.count.peak = max(p.count.peak, bytes)
		i.leaks = i.leaks || over
		if i.leaks && i.state == free {
			p.retireLocked(i, Leak)
		}
		p.mu.Unlock()
	}
}

// tendLocked looks after a free instance.
func (p *Pool) tendLocked(i *instance) {
	rest := time.Since(i.since)
	switch {
	case p.cfg.IdleTimeout > 0 && rest >= p.cfg.IdleTimeout && len(p.idle) > p.cfg.MinIdle:
		p.retireLocked(i, Idle)
	case p.cfg.Health.Method != "" && min(rest, time.Since(i.checked)) >= p.cfg.HealthInterval:
		p.idle = slices.DeleteFunc(p.idle, func(x *instance) bool { return x == i })
		i.state = resting
		p.wg.Go(func() { p.check(i) })
	}
}

// check asks a free instance, which nobody gets meanwhile, whether it is well.
func (p *Pool) check(i *instance) {
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.HealthTimeout)
	defer cancel()
	_, err := i.conn.call(ctx, p.cfg.Health.Method, p.cfg.Health.Params)
	if ctx.Err() != nil && err != nil {
		i.conn.fail(Health, fmt.Errorf("no answer to %s in %s", p.cfg.Health.Method, p.cfg.HealthTimeout))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i.checked = time.Now(); !i.conn.hasFailed() {
		p.freeLocked(i)
	}
}

// memoryError says how much memory a server took.
type memoryError struct{ bytes, limit int64 }

func (e *memoryError) Error() string {
	return fmt.Sprintf("it takes %d bytes of memory, the limit is %d", e.bytes, e.limit)
}

package resource

import (
	"context"
	"fmt"
)

// Request is what a job needs.
type Request struct {
	Slots       int   // Slots is the weight of the job. Zero means 1.
	MemoryBytes int64 // MemoryBytes is its peak memory, reserved from the start. Zero means unknown and reserves nothing.
	Guess       bool  // Guess means that MemoryBytes may be wrong: while no job runs, the request is granted whatever it is.
	Priority    int   // Priority orders waiting requests; higher is served first.

	// Component is the one whose budget is charged, see ControllerConfig.Budgets. Empty means DefaultComponent. It is not
	// used without budgets.
	Component string
}

// need is what a grant takes.
type need struct {
	slots   int
	memory  int64
	guess   bool     // memory may be wrong
	account *account // nil if there are no budgets
}

// amounts returns what n takes from a budget.
func (n need) amounts() amounts { return amounts{int64(n.slots), n.memory} }

func (c *Controller) need(r Request) (need, error) {
	if r.Slots < 0 || r.MemoryBytes < 0 {
		return need{}, fmt.Errorf("request for %d slots and %d bytes: neither may be negative", r.Slots, r.MemoryBytes)
	}
	n := need{slots: max(r.Slots, 1), memory: min(r.MemoryBytes, maxMemory), guess: r.Guess}
	if c.ledger == nil {
		return n, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.account = c.ledger.account(r.Component); n.account == nil {
		return n, &UnknownComponentError{r.Component}
	}
	return n, nil
}

// Slot is a grant. It must be released. Its methods may be called concurrently and on nil.
type Slot struct {
	c      *Controller
	need   need
	number uint64 // sequence number of the grant

	// Guarded by c.mu.
	revoked  chan struct{} // nil until Revoked is called
	asked    bool          // revoked is closed
	released bool
	used     int64 // last reported
	sampled  int64 // reported before the newest sample, and so no longer in its available memory
}

// Release returns the slot and serves waiting requests. Calling it again does nothing.
func (s *Slot) Release() {
	if s == nil {
		return
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.released {
		return
	}
	s.endLocked()
}

// endLocked ends the grant, which must be in force.
func (s *Slot) endLocked() {
	s.released = true
	delete(s.c.memory, s)
	if l := s.c.ledger; l != nil {
		delete(l.revocable, s)
	}
	s.c.takeBackLocked(s.need, s.number)
}

// SetUsed reports how many of its reserved bytes the job uses now. From the next sample on only the rest of its reservation is
// held back, since the used part is already missing from the available memory.
func (s *Slot) SetUsed(bytes int64) {
	if s == nil {
		return
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.used = min(max(bytes, 0), maxMemory)
}

// TryAcquire grants r if that is possible now. Otherwise it returns a *ThrottledError, a *TooLargeError, an
// *UnknownComponentError, ErrClosed or the error of ctx.
func (c *Controller) TryAcquire(ctx context.Context, r Request) (*Slot, error) {
	n, err := c.need(r)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.candidate(n, r.Priority)
	if err := c.impossibleLocked(w); err != nil {
		if err != ErrClosed && err != c.invalid {
			c.rejected++
		}
		return nil, err
	}
	if why, ok := c.admissibleLocked(w); !ok {
		c.rejected++
		c.tally.refused.add(why.Resource)
		refusal := *why
		return nil, &refusal
	}
	return c.grantLocked(w), nil
}

// CanAcquire returns the error with which TryAcquire would fail now, or nil if it would grant r. It grants nothing and is not
// counted: a caller without a job uses it to decide whether to look for one.
func (c *Controller) CanAcquire(r Request) error {
	n, err := c.need(r)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	bound := c.adviser.bound
	defer func() { c.adviser.bound = bound }()
	w := c.candidate(n, r.Priority)
	if err := c.impossibleLocked(w); err != nil {
		return err
	}
	if why, ok := c.admissibleLocked(w); !ok {
		refusal := *why
		return &refusal
	}
	return nil
}

// Acquire waits until r is granted. It fails with the error of ctx, with ErrClosed when the controller stops, with an
// *UnknownComponentError, and with a *TooLargeError as soon as it is known that the request can never be granted. A request whose ctx is done is never granted.
func (c *Controller) Acquire(ctx context.Context, r Request) (*Slot, error) {
	n, err := c.need(r)
	if err != nil {
		return nil, err
	}
	return c.wait(ctx, n, r.Priority, false)
}

// AcquireSlot takes one slot if that is possible now. It never blocks. Each true result requires one ReleaseSlot.
func (c *Controller) AcquireSlot(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	c.mu.Lock()
	ok := c.countOneLocked()
	c.mu.Unlock()
	return ok
}

func (c *Controller) countOneLocked() bool {
	if c.closed || c.invalid != nil {
		return false
	}
	w := &c.single
	w.number = c.arrived + 1
	if why, ok := c.admissibleLocked(w); !ok {
		c.rejected++
		c.tally.refused.add(why.Resource)
		return false
	}
	c.countLocked(w)
	return true
}

// AcquireSlotBlocking waits for one slot, in order of arrival. It fails with the error of ctx, or with ErrClosed
// when the controller stops. Each nil result requires one ReleaseSlot.
func (c *Controller) AcquireSlotBlocking(ctx context.Context) error {
	_, err := c.wait(ctx, c.single.need, 0, true)
	return err
}

// ReleaseSlot returns one slot of AcquireSlot or AcquireSlotBlocking. A surplus call is counted in
// ControllerStatus.OverReleases and has no other effect: it can neither free a Slot nor lead to negative numbers.
func (c *Controller) ReleaseSlot() {
	c.mu.Lock()
	if c.counted > 0 {
		c.counted--
		c.takeBackLocked(c.single.need, 0)
	} else {
		c.overReleased++
	}
	c.mu.Unlock()
}

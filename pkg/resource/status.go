package resource

import (
	"slices"
	"time"
)

// ControllerStatus is the state of a Controller in one moment. Its numbers agree with each other.
type ControllerStatus struct {
	Throttled      bool      `json:"throttled"`
	ThrottledAt    time.Time `json:"throttled_at,omitzero"` // zero when not throttled
	ThrottleReason string    `json:"throttle_reason"`       // e.g. "CPU 90% >= 85%"; empty when not throttled

	ActiveJobs   int              `json:"active_jobs"`       // grants in force
	ActiveSlots  int              `json:"active_slots"`      // slots they hold; more than ActiveJobs when some weigh more than 1
	PendingJobs  int              `json:"pending_jobs"`      // requests that wait right now
	RejectedJobs int64            `json:"rejected_jobs"`     // refusals of AcquireSlot and TryAcquire since the beginning
	Refused      map[string]int64 `json:"refused,omitempty"` // the same by resource, but for requests that were too large
	Waited       map[string]int64 `json:"waited,omitempty"`  // requests that had to wait, by the resource that was short when they came
	Warned       map[string]int64 `json:"warned,omitempty"`  // resource_warning events about a bound, by resource

	OverReleases int64 `json:"over_releases"` // calls of ReleaseSlot that had nothing to release
	MaxJobs      int   `json:"max_jobs"`      // slots

	ReservedBytes    int64 `json:"reserved_bytes"`    // memory that granted requests reserve
	UsedBytes        int64 `json:"used_bytes"`        // memory that those of them which report it hold now; see Slot.SetUsed
	DroppedCallbacks int64 `json:"dropped_callbacks"` // calls of a callback left out because too many were waiting
	CallbackPanics   int64 `json:"callback_panics"`

	Budgets     []BudgetStatus `json:"budgets,omitempty"`     // that of DefaultComponent first; none where nothing is budgeted
	Revocations int64          `json:"revocations,omitempty"` // grants that were asked back since the beginning

	SampleError string        `json:"sample_error"` // of the newest attempt to measure the host; empty when it succeeded
	Metrics     SystemMetrics `json:"metrics"`
}

// GetStatus returns the present state.
func (c *Controller) GetStatus() ControllerStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := ControllerStatus{
		ActiveJobs: c.jobs, ActiveSlots: c.slots, PendingJobs: len(c.waiters), RejectedJobs: c.rejected,
		OverReleases: c.overReleased, MaxJobs: c.max,
		DroppedCallbacks: c.notify.dropped.Load(), CallbackPanics: c.notify.panics.Load(),
		Metrics: c.metricsLocked(),
	}
	if g := c.throttle.reason; g != nil {
		s.Throttled, s.ThrottledAt, s.ThrottleReason = true, g.Since, g.Reason()
	}
	if b := c.refusedByGateLocked(); b != nil {
		s.Throttled, s.ThrottledAt, s.ThrottleReason = true, b.Since, b.Reason()
	}
	if s.Budgets = c.budgetsLocked(); s.Budgets != nil {
		s.Revocations = c.ledger.revocations
	}
	s.Refused, s.Waited, s.Warned = c.tally.refused.byName(), c.tally.waited.byName(), c.tally.warned.byName()
	for slot := range c.memory {
		s.ReservedBytes += slot.need.memory
		s.UsedBytes += slot.used
	}
	if c.sampleErr != nil {
		s.SampleError = c.sampleErr.Error()
	}
	return s
}

// IsThrottled reports whether admission is stopped, but for MinConcurrentJobs where no Gate stops it.
func (c *Controller) IsThrottled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.throttle.reason != nil || c.refusedByGateLocked() != nil
}

// GetMetrics returns the newest sample. Before there is one its Timestamp is zero, and so is all the rest.
func (c *Controller) GetMetrics() SystemMetrics {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.metricsLocked()
}

func (c *Controller) metricsLocked() SystemMetrics {
	m := c.metrics
	if m.Timestamp.IsZero() {
		return SystemMetrics{}
	}
	if m.Pressure != nil {
		p := *m.Pressure
		m.Pressure = &p
	}
	m.Disks = slices.Clone(m.Disks)
	m.Stale = m.Stale || c.sampleErr != nil || time.Since(c.lastGood) > staleAfter*c.cfg.SampleInterval
	return m
}

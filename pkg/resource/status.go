package resource

import (
	"slices"
	"time"
)

// ControllerStatus is the state of a Controller at one moment. Its numbers are consistent with each other.
type ControllerStatus struct {
	Throttled      bool      `json:"throttled"`
	ThrottledAt    time.Time `json:"throttled_at,omitzero"` // ThrottledAt is zero while not throttled.
	ThrottleReason string    `json:"throttle_reason"`       // ThrottleReason is such as "CPU 90% >= 85%"; empty while not throttled.

	ActiveJobs   int              `json:"active_jobs"`       // ActiveJobs counts the grants in force.
	ActiveSlots  int              `json:"active_slots"`      // ActiveSlots counts their slots; a grant may have more than one.
	PendingJobs  int              `json:"pending_jobs"`      // PendingJobs counts the waiting requests.
	RejectedJobs int64            `json:"rejected_jobs"`     // RejectedJobs counts the refusals of AcquireSlot and TryAcquire.
	Refused      map[string]int64 `json:"refused,omitempty"` // Refused counts the same by resource, except requests that were too large.
	Waited       map[string]int64 `json:"waited,omitempty"`  // Waited counts requests that had to wait, by the resource that was short.
	Warned       map[string]int64 `json:"warned,omitempty"`  // Warned counts resource_warning events by resource.

	OverReleases int64 `json:"over_releases"` // OverReleases counts calls of ReleaseSlot without a slot to release.
	MaxJobs      int   `json:"max_jobs"`      // MaxJobs is the number of slots.

	ReservedBytes    int64 `json:"reserved_bytes"`    // ReservedBytes is the memory reserved by granted requests.
	UsedBytes        int64 `json:"used_bytes"`        // UsedBytes is the memory that they use as reported by Slot.SetUsed.
	DroppedCallbacks int64 `json:"dropped_callbacks"` // DroppedCallbacks counts callbacks that found the queue full.
	CallbackPanics   int64 `json:"callback_panics"`   // CallbackPanics counts callbacks that panicked.

	Budgets     []BudgetStatus `json:"budgets,omitempty"`     // Budgets begin with DefaultComponent; empty without budgets.
	Revocations int64          `json:"revocations,omitempty"` // Revocations counts the grants that were revoked.

	SampleError string        `json:"sample_error"` // SampleError is the error of the newest sample; empty if it succeeded.
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

// IsThrottled reports whether admission is stopped. Unless the Gate stops it, MinConcurrentJobs are still admitted.
func (c *Controller) IsThrottled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.throttle.reason != nil || c.refusedByGateLocked() != nil
}

// GetMetrics returns the newest sample, or the zero SystemMetrics before the first one.
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

package resource

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// sample takes one sample, applies it, and records what changed.
func (c *Controller) sample(ctx context.Context) {
	m, err := c.measure(ctx)
	if ctx.Err() != nil {
		return // the controller ended during the sample
	}
	now := time.Now()
	c.mu.Lock()
	var notes []note
	if nothing := m.CPUSource == "" && m.MemorySource == ""; err != nil && (nothing || c.cfg.ThrottleWhenStale) {
		notes = c.missedLocked(now, err)
		c.metrics.Disks = m.Disks // each has its own time and staleness
	} else {
		notes = c.observeLocked(now, m, err)
	}
	notes = append(notes, c.gateNotesLocked(now)...)
	c.serveLocked()
	c.publishLocked()
	c.mu.Unlock()
	for _, n := range notes {
		c.record(n)
	}
}

// measure calls the sampler. A panic counts as an error, and an invalid number as unknown.
func (c *Controller) measure(ctx context.Context) (m SystemMetrics, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("sampler panicked: %v", r)
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.SampleInterval, errSlowSampler)
	defer cancel()
	m, err = c.cfg.Sampler.Sample(ctx)
	if !(m.CPUPercent >= 0) || math.IsInf(m.CPUPercent, 0) {
		m.CPUPercent, m.CPUSource = 0, ""
	}
	if !(m.MemoryPercent >= 0 && m.MemoryTotalMB > 0 && m.MemoryTotalMB < 1<<40) || m.MemoryAvailableBytes < 0 {
		m.MemoryPercent, m.MemoryUsedMB, m.MemoryTotalMB, m.MemorySource = 0, 0, 0, ""
		m.MemoryAvailableBytes, m.MemoryLimitBytes = 0, 0
	}
	if m.MemorySource != "" && m.MemoryLimitBytes <= 0 {
		m.MemoryLimitBytes = int64(m.MemoryTotalMB * (1 << 20))
	}
	return m, err
}

var errSlowSampler = errors.New("sampler took longer than sample_interval")

// observeLocked applies a sample, which may be partial: err describes what is missing.
func (c *Controller) observeLocked(now time.Time, m SystemMetrics, err error) []note {
	if m.Timestamp.IsZero() {
		m.Timestamp = now
	}
	c.metrics, c.lastGood = m, now
	c.reserve = c.cfg.reserveOf(m)
	for s := range c.memory {
		s.sampled = s.used
	}
	levels, hard := c.cfg.levels(m), c.cfg.hard(m, c.reserve)
	c.adviser.observe(levels, hard)

	notes := append(c.missingLocked(err), c.adaptLocked(now)...)
	was := c.throttle.reason
	switch c.throttle.observe(now, levels, hard) {
	case stopped:
		notes = append(notes, c.throttledLocked())
	case resumed:
		notes = append(notes, c.resumedLocked(now, was, ""))
	case unchanged:
		if c.cfg.Verbose && c.throttle.reason == nil && c.throttle.up > 0 {
			notes = append(notes, c.hotLocked(levels))
		}
	}
	if c.warning.observe(now, c.cfg.warnings(m), nil) == stopped && c.throttle.reason == nil {
		c.tally.warned.add(c.warning.reason.Resource)
		notes = append(notes, c.warningLocked(c.warning.reason.Reason(), &crossing{c.warning.reason, c.warning.up}))
	}
	return notes
}

// missingLocked stores the error of the newest attempt, nil for none, and warns at the first one.
func (c *Controller) missingLocked(err error) []note {
	first := err != nil && c.sampleErr == nil
	c.sampleErr = err
	if !first {
		return nil
	}
	return []note{c.warningLocked("host not measured: "+err.Error(), nil)}
}

// missedLocked applies a sample that failed. The last good one decides for three intervals. After that the host is unknown,
// which counts as overloaded with ThrottleWhenStale and as idle otherwise.
func (c *Controller) missedLocked(now time.Time, err error) []note {
	notes := c.missingLocked(err)
	age := now.Sub(c.lastGood)
	if age < staleAfter*c.cfg.SampleInterval {
		return notes
	}
	c.metrics.MemorySource, c.metrics.CPUSource = "", ""
	was := c.throttle.reason
	if !c.cfg.ThrottleWhenStale {
		c.throttle.reset()
		if was != nil {
			notes = append(notes, c.resumedLocked(now, was, "host not measured, admission by slots alone"))
		}
		return notes
	}
	c.throttle.up = samplesUp
	stale := level{Staleness, age.Seconds(), (staleAfter * c.cfg.SampleInterval).Seconds()}
	if c.throttle.observe(now, []level{stale}, nil) == stopped {
		notes = append(notes, c.throttledLocked())
	}
	return notes
}

// levels returns the known values that have a threshold.
func (c ControllerConfig) levels(m SystemMetrics) []level {
	ls := m.levels(c.CPUThreshold, c.MemoryThreshold)
	if m.Pressure != nil && c.MemoryPressureThreshold > 0 {
		ls = append(ls, level{MemoryPressure, m.Pressure.Memory, c.MemoryPressureThreshold})
	}
	return ls
}

// warnings returns the known values that have a warning level.
func (c ControllerConfig) warnings(m SystemMetrics) []level {
	return m.levels(c.CPUWarning, c.MemoryWarning)
}

func (m SystemMetrics) levels(cpu, memory float64) []level {
	var ls []level
	if m.MemorySource != "" && memory > 0 {
		ls = append(ls, level{Memory, m.MemoryPercent, memory})
	}
	if m.CPUSource != "" && cpu > 0 {
		ls = append(ls, level{CPU, m.CPUPercent, cpu})
	}
	return ls
}

// value returns the present value of the resource that e names, or the value of e if it is unknown.
func (m SystemMetrics) value(e *ThrottledError) float64 {
	switch r := e.Resource; {
	case r == CPU && m.CPUSource != "":
		return m.CPUPercent
	case r == Memory && m.MemorySource != "":
		return m.MemoryPercent
	case r == MemoryReserve && m.MemorySource != "":
		return float64(m.MemoryAvailableBytes)
	case r == MemoryPressure && m.Pressure != nil:
		return m.Pressure.Memory
	case r == OOMKill:
		return float64(m.OOMKills)
	}
	return e.Value
}

// hard returns an error if memory is short right now.
func (c ControllerConfig) hard(m SystemMetrics, reserve int64) *ThrottledError {
	if m.OOMKills > 0 {
		return &ThrottledError{Resource: OOMKill, Value: float64(m.OOMKills)}
	}
	if m.MemorySource != "" && m.MemoryAvailableBytes < reserve {
		return &ThrottledError{Resource: MemoryReserve, Value: float64(m.MemoryAvailableBytes), Limit: float64(reserve)}
	}
	return nil
}

// reserveOf returns MemoryReserveBytes for a host of the size of m.
func (c ControllerConfig) reserveOf(m SystemMetrics) int64 {
	total := m.MemoryLimitBytes
	switch c.MemoryReserveBytes {
	case -1:
		return 0
	case 0:
		return min(total/20, DefaultMemoryReserve)
	}
	return min(c.MemoryReserveBytes, total/2)
}

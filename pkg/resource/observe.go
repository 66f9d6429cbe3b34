package resource

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// sample takes one sample, lets it decide, and then says what changed.
func (c *Controller) sample(ctx context.Context) {
	m, err := c.measure(ctx)
	if ctx.Err() != nil {
		return // the sampler was cut short by our own end
	}
	now := time.Now()
	c.mu.Lock()
	var notes []note
	if nothing := m.CPUSource == "" && m.MemorySource == ""; err != nil && (nothing || c.cfg.ThrottleWhenStale) {
		notes = c.missedLocked(now, err)
		c.metrics.Disks = m.Disks // each with its own time and staleness
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

// measure asks the sampler, whose panic counts as an error and whose nonsense counts as unknown.
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

// observeLocked takes a good sample, or the good part of one: err says what is missing.
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

// missingLocked keeps what could not be measured in the newest attempt, nil for nothing, and warns once.
func (c *Controller) missingLocked(err error) []note {
	first := err != nil && c.sampleErr == nil
	c.sampleErr = err
	if !first {
		return nil
	}
	return []note{c.warningLocked("host not measured: "+err.Error(), nil)}
}

// missedLocked takes a sample that failed. The last good one decides for three intervals; then the host counts as
// unknown: as overloaded if the config says so, and otherwise as free.
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
			notes = append(notes, c.resumedLocked(now, was, "host not measured, admission goes by slots"))
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

// levels lists what is known and gated.
func (c ControllerConfig) levels(m SystemMetrics) []level {
	ls := m.levels(c.CPUThreshold, c.MemoryThreshold)
	if m.Pressure != nil && c.MemoryPressureThreshold > 0 {
		ls = append(ls, level{MemoryPressure, m.Pressure.Memory, c.MemoryPressureThreshold})
	}
	return ls
}

// warnings lists what is known and warned of.
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

// value is what m says of the resource that e names; where it says nothing, the value of e.
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

// hard says whether memory is short right now.
func (c ControllerConfig) hard(m SystemMetrics, reserve int64) *ThrottledError {
	if m.OOMKills > 0 {
		return &ThrottledError{Resource: OOMKill, Value: float64(m.OOMKills)}
	}
	if m.MemorySource != "" && m.MemoryAvailableBytes < reserve {
		return &ThrottledError{Resource: MemoryReserve, Value: float64(m.MemoryAvailableBytes), Limit: float64(reserve)}
	}
	return nil
}

// reserveOf is MemoryReserveBytes for a host of the size of m.
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

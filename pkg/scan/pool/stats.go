package pool

import (
	"errors"
	"maps"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// Stats are the numbers of a pool at one moment. They add up:
//
//	Instances = Idle + InUse + Resting + Ending
//	Started   = Instances + all of Stopped
//	Gets      = Granted + Exhausted + Failed + Waiting
//	Calls     = Answered + Rejected + Broken + Abandoned + Open
type Stats struct {
	Instances int `json:"instances"`
	Idle      int `json:"idle"`
	InUse     int `json:"in_use"`
	Resting   int `json:"resting"` // whose health is checked, or that still answer a call which was given up
	Ending    int `json:"ending"`
	Starting  int `json:"starting"` // not among Instances yet
	Waiting   int `json:"waiting"`  // callers

	Started     int64           `json:"started"`
	StartFailed int64           `json:"start_failed"`
	Stopped     map[Cause]int64 `json:"stopped"`

	Gets      int64 `json:"gets"`
	Granted   int64 `json:"granted"`
	Exhausted int64 `json:"exhausted"` // that got *ExhaustedError
	Failed    int64 `json:"failed"`    // that got another error

	Calls     int64 `json:"calls"`
	Open      int64 `json:"open"`      // under way
	Answered  int64 `json:"answered"`  // with a result
	Rejected  int64 `json:"rejected"`  // with an error of the server
	Broken    int64 `json:"broken"`    // the server ended
	Abandoned int64 `json:"abandoned"` // the caller gave up, or its parameters could not be sent

	MemoryBytes int64  `json:"memory_bytes"`      // of all instances, as last measured
	PeakMemory  int64  `json:"peak_memory_bytes"` // the most that one instance was seen with
	Failures    int    `json:"failures"`          // in a row
	LastFailure *Error `json:"-"`                 // nil: none yet
}

// counters are what Stats counts since the start.
type counters struct {
	started, startFailed                         int64
	stopped                                      map[Cause]int64
	gets, granted, exhausted, failed             int64
	calls, answered, rejected, broken, abandoned int64
	peak                                         int64
}

// Stats returns the numbers of the pool.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, c := p.statesLocked(), &p.count
	s.Starting, s.Waiting = p.starting, len(p.waiters)
	s.Started, s.StartFailed, s.Stopped = c.started, c.startFailed, maps.Clone(c.stopped)
	s.Gets, s.Granted, s.Exhausted, s.Failed = c.gets, c.granted, c.exhausted, c.failed
	s.Calls, s.Answered, s.Rejected, s.Broken, s.Abandoned = c.calls, c.answered, c.rejected, c.broken, c.abandoned
	s.Open = c.calls - c.answered - c.rejected - c.broken - c.abandoned
	s.PeakMemory, s.Failures, s.LastFailure = c.peak, p.trouble.failures, p.trouble.last
	return s
}

func (p *Pool) statesLocked() (s Stats) {
	s.Instances = len(p.all)
	for i := range p.all {
		switch i.state {
		case free:
			s.Idle++
		case leased:
			s.InUse++
		case resting:
			s.Resting++
		case ending:
			s.Ending++
		}
		s.MemoryBytes += i.bytes
	}
	return s
}

// called counts a call that begins.
func (p *Pool) called(i *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count.calls++
	i.calls++
}

// answered counts a call that ends.
func (p *Pool) answered(err error) {
	var refused *ResponseError
	var broken *Error
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.count.answered++
		p.trouble.over()
	case errors.As(err, &refused):
		p.count.rejected++
		p.trouble.over()
	case errors.As(err, &broken):
		p.count.broken++
	default:
		p.count.abandoned++
	}
}

func (p *Pool) recordStart(i *instance, failed *Error, d time.Duration) {
	e := event.Event{Timestamp: time.Now(), Type: event.InstanceStarted, Message: p.cfg.Name + " started", Duration: d}
	if failed != nil {
		e.Type, e.Message, e.Error = event.InstanceStopped, p.cfg.Name+" was not started", failed.Error()
		e.Details = map[string]any{"name": p.cfg.Name, "cause": string(failed.Cause), "stderr": failed.Stderr}
		if failed.Cause == Start {
			e.Severity = event.Warn
		}
	} else {
		e.Details = map[string]any{"name": p.cfg.Name, "pid": i.process.PID()}
	}
	p.events.Record(e)
}

func (p *Pool) recordStop(i *instance, cause Cause, calls int) {
	e := event.Event{
		Timestamp: time.Now(), Type: event.InstanceStopped, Message: p.cfg.Name + " stopped: " + string(cause), Duration: time.Since(i.born),
		Details: map[string]any{
			"name": p.cfg.Name, "cause": string(cause), "pid": i.process.PID(), "calls": calls, "exit_code": i.result.ExitCode,
			"peak_memory_bytes": i.result.PeakMemory, "survivors": i.result.Survivors,
		},
	}
	if cause.failure() {
		e.Severity, e.Error = event.Warn, i.failure("", true).Error()
		e.Details["stderr"] = i.said.lines()
	}
	p.events.Record(e)
}

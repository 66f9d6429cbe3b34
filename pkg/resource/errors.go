package resource

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrClosed is returned once the controller has stopped.
var ErrClosed = errors.New("resource controller is stopped")

// ErrStarted is returned by a second Start.
var ErrStarted = errors.New("resource controller is already started")

// The resources that a ThrottledError or TooLargeError names.
const (
	CPU            = "CPU"
	Memory         = "memory"
	MemoryPressure = "memory pressure"
	MemoryReserve  = "memory reserve"
	OOMKill        = "out-of-memory kill"
	Staleness      = "age of sample"
	Slots          = "slots"
	Order          = "order" // an earlier request must be served first
	Gate           = "gate"  // ControllerConfig.Gate admits no job

	// ReservedMemory, like Slots, may be short in a budget or in a total of ControllerConfig.
	ReservedMemory = "reserved memory"
)

// ThrottledError reports why a job was not admitted now. Functions return a *ThrottledError.
type ThrottledError struct {
	Resource   string        // Resource is the one that is short: CPU, Memory, … or Slots.
	Component  string        // Component is the one whose budget is short; empty if none is.
	Value      float64       // Value was measured: percent, bytes (memory reserve), seconds (age) or a count (slots).
	Limit      float64       // Limit is the bound in the same unit.
	Since      time.Time     // Since is when admission stopped; zero for slots, order and a reservation.
	Err        error         // Err is the error of ControllerConfig.Gate; nil for every other resource.
	RetryAfter time.Duration // RetryAfter is the earliest possible success; zero means when another job ends.
}

func (e *ThrottledError) Error() string { return "throttled: " + e.Reason() }

// Unwrap returns Err.
func (e *ThrottledError) Unwrap() error { return e.Err }

// Reason returns the message without its prefix, such as "CPU 90% >= 85%".
func (e *ThrottledError) Reason() string {
	switch e.Resource {
	case MemoryReserve:
		return fmt.Sprintf("memory available %.0f MB < %.0f MB reserved", e.Value/(1<<20), e.Limit/(1<<20))
	case OOMKill:
		return fmt.Sprintf("%.0f processes killed because memory was short", e.Value)
	case Staleness:
		return fmt.Sprintf("host not measured for %.0fs >= %.0fs", e.Value, e.Limit)
	case Slots:
		return e.budgetPrefix() + fmt.Sprintf("%.0f of %.0f %s in use", e.Value, e.Limit, e.Resource)
	case ReservedMemory:
		return e.budgetPrefix() + fmt.Sprintf("%.0f of %.0f MB reserved", e.Value/(1<<20), e.Limit/(1<<20))
	case Order:
		return fmt.Sprintf("%.0f earlier requests are waiting", e.Value)
	case Gate:
		return e.Err.Error()
	}
	value, limit := percents(e.Value, e.Limit)
	return fmt.Sprintf("%s %s%% >= %s%%", e.Resource, value, limit)
}

// budgetPrefix names the budget.
func (e *ThrottledError) budgetPrefix() string {
	if e.Component == "" {
		return ""
	}
	return "budget " + e.Component + ": "
}

// unit returns the unit of Value and Limit.
func (e *ThrottledError) unit() string {
	switch e.Resource {
	case MemoryReserve, ReservedMemory:
		return "bytes"
	case Staleness:
		return "seconds"
	case OOMKill, Slots, Order:
		return "count"
	}
	return "percent"
}

// percents formats the limit in full, and the value truncated to the digits of the limit, so that the comparison holds for the
// printed numbers.
func percents(value, limit float64) (v, l string) {
	l = strconv.FormatFloat(limit, 'f', -1, 64)
	digits := 0
	if _, frac, ok := strings.Cut(l, "."); ok {
		digits = min(len(frac), 3)
	}
	scale := math.Pow10(digits)
	return strconv.FormatFloat(math.Floor(value*scale+1e-9)/scale, 'f', digits, 64), l
}

// TooLargeError reports that a request can never be granted under the present limits. Functions return a *TooLargeError.
type TooLargeError struct {
	Resource  string // Resource is Slots, Memory or ReservedMemory.
	Component string // Component is the one whose budget is too small; empty if the host is.
	Need      int64  // Need is the requested number of slots or bytes.
	Limit     int64  // Limit is the maximum that could be granted.
}

func (e *TooLargeError) Error() string {
	if e.Component != "" {
		return fmt.Sprintf("request of %d is over the budget of %s, %d: %s", e.Need, e.Component, e.Limit, e.Resource)
	}
	return fmt.Sprintf("request of %d is over the limit of %d: %s", e.Need, e.Limit, e.Resource)
}

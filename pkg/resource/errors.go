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

// The resources that an ThrottledError or TooLargeError names.
const (
	CPU            = "CPU"
	Memory         = "memory"
	MemoryPressure = "memory pressure"
	MemoryReserve  = "memory reserve"
	OOMKill        = "out-of-memory kill"
	Staleness      = "age of sample"
	Slots          = "slots"
	Order          = "order" // there is room, but an earlier request is due first
	Gate           = "gate"  // ControllerConfig.Gate lets nobody in

	// These, and Slots, may be short in a budget or in a total of ControllerConfig.
	ReservedMemory = "reserved memory"
)

// ThrottledError says why a job was not admitted now. Functions return a *ThrottledError; find it with errors.As.
type ThrottledError struct {
	Resource   string        // which resource is short: CPU, Memory, … or Slots
	Component  string        // whose budget is short; empty: no budget is
	Value      float64       // what was measured: percent, bytes (memory reserve), seconds (age) or a count (slots)
	Limit      float64       // the bound it is held against, in the same unit
	Since      time.Time     // since when admission is stopped; zero for slots, order and a reservation
	Err        error         // what ControllerConfig.Gate said; nil for every other resource
	RetryAfter time.Duration // no earlier attempt can succeed for this resource; zero: when another job ends
}

func (e *ThrottledError) Error() string { return "throttled: " + e.Reason() }

// Unwrap returns Err.
func (e *ThrottledError) Unwrap() error { return e.Err }

// Reason returns the numbers without the word, e.g. "CPU 90% >= 85%".
func (e *ThrottledError) Reason() string {
	switch e.Resource {
	case MemoryReserve:
		return fmt.Sprintf("memory available %.0f MB < %.0f MB reserved", e.Value/(1<<20), e.Limit/(1<<20))
	case OOMKill:
		return fmt.Sprintf("%.0f processes killed for want of memory", e.Value)
	case Staleness:
		return fmt.Sprintf("host not measured for %.0fs >= %.0fs", e.Value, e.Limit)
	case Slots:
		return e.whose() + fmt.Sprintf("%.0f of %.0f %s in use", e.Value, e.Limit, e.Resource)
	case ReservedMemory:
		return e.whose() + fmt.Sprintf("%.0f of %.0f MB reserved", e.Value/(1<<20), e.Limit/(1<<20))
	case Order:
		return fmt.Sprintf("%.0f earlier requests are waiting", e.Value)
	case Gate:
		return e.Err.Error()
	}
	value, limit := percents(e.Value, e.Limit)
	return fmt.Sprintf("%s %s%% >= %s%%", e.Resource, value, limit)
}

// whose names the budget.
func (e *ThrottledError) whose() string {
	if e.Component == "" {
		return ""
	}
	return "budget " + e.Component + ": "
}

// unit is that of Value and Limit.
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

// percents prints the limit in full and the value cut, not rounded, to the digits of the limit: so the
// comparison reads true.
func percents(value, limit float64) (v, l string) {
	l = strconv.FormatFloat(limit, 'f', -1, 64)
	digits := 0
	if _, frac, ok := strings.Cut(l, "."); ok {
		digits = min(len(frac), 3)
	}
	scale := math.Pow10(digits)
	return strconv.FormatFloat(math.Floor(value*scale+1e-9)/scale, 'f', digits, 64), l
}

// TooLargeError says that a request can never be met under the present limits. Functions return a *TooLargeError.
type TooLargeError struct {
	Resource  string // Slots, Memory, or what a budget counts
	Component string // whose budget is too small; empty: the host is
	Need      int64  // slots or bytes asked for
	Limit     int64  // the most that could ever be granted
}

func (e *TooLargeError) Error() string {
	if e.Component != "" {
		return fmt.Sprintf("request of %d is over the budget of %s, %d: %s", e.Need, e.Component, e.Limit, e.Resource)
	}
	return fmt.Sprintf("request of %d is over the limit of %d: %s", e.Need, e.Limit, e.Resource)
}

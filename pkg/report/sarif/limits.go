package sarif

import (
	"errors"
	"fmt"
	"math"
)

// Limits bounds what a file may hold. A zero field means its default, -1 where allowed means no bound.
type Limits struct {
	MaxBytes        int64 // bytes of the file; default 2 GiB; -1: no bound
	MaxResultBytes  int64 // bytes of one result, rule or other single value; a larger one is quarantined; default 1 MiB
	MaxDepth        int   // nesting of objects and arrays in one result; a deeper one is quarantined; default 500
	MaxRuns         int   // runs in the file; default 10 000; -1: no bound
	MaxRules        int   // rules in the file, all runs together; default 100 000; -1: no bound
	MaxResults      int   // results in the file, all runs together; default 5 000 000; -1: no bound
	MaxMessageBytes int   // bytes of Message and Description; a longer message is cut and kept whole in Properties; default 64 KiB
	MaxHeaderBytes  int64 // bytes of text held of rules, artifacts and the like; over it descriptions are dropped, over twice this the file is refused; default 16 MiB
}

// The defaults of Limits.
const (
	DefaultMaxBytes        = 2 << 30
	DefaultMaxResultBytes  = 1 << 20
	DefaultMaxDepth        = 500
	DefaultMaxRuns         = 10_000
	DefaultMaxRules        = 100_000
	DefaultMaxResults      = 5_000_000
	DefaultMaxMessageBytes = 64 << 10
	DefaultMaxHeaderBytes  = 16 << 20
)

// maxDepth is the deepest nesting that encoding/json takes.
const maxDepth = 10_000

// Validate returns every field that is out of range, in one error.
func (l Limits) Validate() error {
	var errs []error
	check := func(name string, v, lo, hi int64, offAllowed bool) {
		if v == 0 || v == -1 && offAllowed || v >= lo && v <= hi {
			return
		}
		errs = append(errs, fmt.Errorf("%s: %d is outside %d to %d", name, v, lo, hi))
	}
	check("MaxBytes", l.MaxBytes, 1, math.MaxInt64, true)
	check("MaxResultBytes", l.MaxResultBytes, 1<<10, 256<<20, false)
	check("MaxDepth", int64(l.MaxDepth), 10, maxDepth, false)
	check("MaxRuns", int64(l.MaxRuns), 1, math.MaxInt32, true)
	check("MaxRules", int64(l.MaxRules), 1, math.MaxInt32, true)
	check("MaxResults", int64(l.MaxResults), 1, math.MaxInt32, true)
	check("MaxMessageBytes", int64(l.MaxMessageBytes), 64, 256<<20, false)
	check("MaxHeaderBytes", l.MaxHeaderBytes, 1<<10, 1<<30, false)
	return errors.Join(errs...)
}

func (l Limits) withDefaults() Limits {
	l.MaxBytes = bound(l.MaxBytes, DefaultMaxBytes, math.MaxInt64)
	l.MaxResultBytes = bound(l.MaxResultBytes, DefaultMaxResultBytes, math.MaxInt64)
	l.MaxDepth = bound(l.MaxDepth, DefaultMaxDepth, math.MaxInt32)
	l.MaxRuns = bound(l.MaxRuns, DefaultMaxRuns, math.MaxInt32)
	l.MaxRules = bound(l.MaxRules, DefaultMaxRules, math.MaxInt32)
	l.MaxResults = bound(l.MaxResults, DefaultMaxResults, math.MaxInt32)
	l.MaxMessageBytes = bound(l.MaxMessageBytes, DefaultMaxMessageBytes, math.MaxInt32)
	l.MaxHeaderBytes = bound(l.MaxHeaderBytes, DefaultMaxHeaderBytes, math.MaxInt64)
	return l
}

// bound returns what v asks for: the default for 0, none for -1.
func bound[T int | int64](v, def, none T) T {
	switch v {
	case 0:
		return def
	case -1:
		return none
	}
	return v
}

// LimitError says which bound an input broke.
type LimitError struct {
	Field string // of Limits
	Value int64  // what was seen: at least this much
	Bound int64  // what is allowed
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: %d is over the bound %d", e.Field, e.Value, e.Bound)
}

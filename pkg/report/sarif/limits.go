package sarif

import (
	"fmt"
	"math"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/internal/jsonx"
)

// Limits bounds what a file may hold. A zero field means its default; -1, where it is allowed, means no bound.
type Limits struct {
	// MaxBytes is the size of the file. Defaults to 2 GiB; -1 means no bound.
	MaxBytes int64
	// MaxResultBytes is the size of one result, rule or other single value. A larger one is quarantined. Defaults to 1 MiB.
	MaxResultBytes int64
	// MaxDepth is the nesting of objects and arrays in one result. A deeper one is quarantined. Defaults to 500.
	MaxDepth int
	// MaxRuns is the number of runs in the file. Defaults to 10,000; -1 means no bound.
	MaxRuns int
	// MaxRules is the number of rules in all runs together. Defaults to 100,000; -1 means no bound.
	MaxRules int
	// MaxResults is the number of results in all runs together. Defaults to 5,000,000; -1 means no bound.
	MaxResults int
	// MaxMessageBytes is the size of Message and Description. A longer message is shortened, and preserved whole in
	// Properties. Defaults to 64 KiB.
	MaxMessageBytes int
	// MaxHeaderBytes is the size of the text that is held in memory of rules, artifacts and the like. Above it
	// descriptions are dropped; above twice its value the file is refused. Defaults to 16 MiB.
	MaxHeaderBytes int64
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

// Validate returns every field that is out of range, in one error.
func (l Limits) Validate() error {
	l = l.withDefaults()
	v := config.New("")
	config.RangeOrOff(v, "max_bytes", l.MaxBytes, 1, math.MaxInt64)
	config.Range(v, "max_result_bytes", l.MaxResultBytes, 1<<10, 256<<20)
	config.Range(v, "max_depth", l.MaxDepth, 10, jsonx.MaxDepth)
	config.RangeOrOff(v, "max_runs", l.MaxRuns, 1, math.MaxInt32)
	config.RangeOrOff(v, "max_rules", l.MaxRules, 1, math.MaxInt32)
	config.RangeOrOff(v, "max_results", l.MaxResults, 1, math.MaxInt32)
	config.Range(v, "max_message_bytes", l.MaxMessageBytes, 64, 256<<20)
	config.Range(v, "max_header_bytes", l.MaxHeaderBytes, 1<<10, 1<<30)
	return v.Err()
}

func (l Limits) withDefaults() Limits {
	config.Default(&l.MaxBytes, DefaultMaxBytes)
	config.Default(&l.MaxResultBytes, DefaultMaxResultBytes)
	config.Default(&l.MaxDepth, DefaultMaxDepth)
	config.Default(&l.MaxRuns, DefaultMaxRuns)
	config.Default(&l.MaxRules, DefaultMaxRules)
	config.Default(&l.MaxResults, DefaultMaxResults)
	config.Default(&l.MaxMessageBytes, DefaultMaxMessageBytes)
	config.Default(&l.MaxHeaderBytes, DefaultMaxHeaderBytes)
	return l
}

// checkLimit returns a *LimitError if value is above bound, which is -1 for no bound.
func checkLimit[T int | int64](setting string, value, bound T) error {
	if bound == -1 || value <= bound {
		return nil
	}
	return &LimitError{setting, int64(value), int64(bound)}
}

// LimitError is returned for input that exceeds one of the Limits.
type LimitError struct {
	Setting string // name of the limit in a configuration file, such as "max_bytes"
	Value   int64  // size or number that was met; there may be more of it
	Bound   int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: %d is over the bound %d", e.Setting, e.Value, e.Bound)
}

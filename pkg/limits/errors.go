package limits

import (
	"fmt"
	"time"
)

// LimitError reports that a limit was reached. Functions return a *LimitError.
type LimitError struct {
	Field string  // Field is the full name of the setting, such as limits.memory.max_heap_size_mb.
	Value float64 // Value is the requested or measured value in the unit of the setting; a duration is in seconds.
	Bound float64 // Bound is the limit in the same unit.
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s is %.6g, got %.6g", e.Field, e.Bound, e.Value)
}

// DegradedError reports that the agent does not accept a job at its present level. Functions return a *DegradedError.
type DegradedError struct {
	Level  Level     // Level is the present level.
	Since  time.Time // Since is when the agent reached the level.
	Reason string    // Reason is why the agent is at the level, such as "disk_free_mb 512 < 1000".
	Job    string    // Job is the property of the job that is not accepted, such as "priority -1". Empty means every job.
}

func (e *DegradedError) Error() string {
	text := fmt.Sprintf("agent is %s: %s", e.Level, e.Reason)
	if e.Job != "" {
		text += ": no jobs with " + e.Job
	}
	return text
}

// Temporary reports that the job may be accepted later. It returns true.
func (e *DegradedError) Temporary() bool { return true }

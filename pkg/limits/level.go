package limits

import (
	"fmt"
	"slices"
	"time"
)

// Level says how much an agent does. A host in trouble brings it down, level by level, to no new job at all; uploads
// and the audit log go on at every level, for it is what they give away that frees the disk.
type Level string

// The levels, from everything to nothing new. The zero value reads as LevelFull.
const (
	LevelFull    Level = "full"
	LevelReduced Level = "reduced"
	LevelMinimal Level = "minimal"
	LevelPaused  Level = "paused"
)

// LevelAuto is for DegradationConfig.Level alone: the rules decide.
const LevelAuto Level = "auto"

// Levels returns all levels, from LevelFull on.
func Levels() []Level { return []Level{LevelFull, LevelReduced, LevelMinimal, LevelPaused} }

// Rank orders the levels: 0 is LevelFull, the empty and any unknown one too, 3 is LevelPaused.
func (l Level) Rank() int { return max(slices.Index(Levels(), l), 0) }

// Describe says what the level turns off, and what goes on.
func (l Level) Describe() string {
	switch l {
	case LevelReduced:
		return "half the job slots, no job with a priority below 0; uploads go on"
	case LevelMinimal:
		return "one job at a time, none with a priority below 0 or a big memory reservation; uploads go on"
	case LevelPaused:
		return "no new job; running jobs, uploads and the audit log go on"
	}
	return "nothing is turned off"
}

// Jobs returns how many of most jobs at once the level leaves. It is never under 1: what keeps jobs from a paused
// agent is Degradation.Gate, so that what waits for a slot goes on waiting.
func (l Level) Jobs(most int) int {
	switch l {
	case LevelReduced:
		return max((most+1)/2, 1)
	case LevelMinimal, LevelPaused:
		return 1
	}
	return most
}

// above is the level that does one step more.
func (l Level) above() Level { return Levels()[max(l.Rank()-1, 0)] }

// ErrDegraded says that the agent takes no such job at its present level. Functions return a *ErrDegraded; find it with
// errors.As.
type ErrDegraded struct {
	Level  Level
	Since  time.Time // since when
	Reason string    // why the agent is at that level, e.g. "disk_free_mb 512 < 1000"
	Job    string    // what of the job is too much, e.g. "priority -1"; empty: any job is
}

func (e *ErrDegraded) Error() string {
	text := fmt.Sprintf("the agent is %s: %s", e.Level, e.Reason)
	if e.Job != "" {
		text += ": no job with " + e.Job
	}
	return text
}

// Temporary says that the job may come again later.
func (e *ErrDegraded) Temporary() bool { return true }

package limits

import "slices"

// Level is how much work the agent accepts. Uploads and the audit log continue at every level, since they free the disk.
type Level string

// The levels, from all work to no new jobs. The empty Level means LevelFull.
const (
	LevelFull    Level = "full"
	LevelReduced Level = "reduced"
	LevelMinimal Level = "minimal"
	LevelPaused  Level = "paused"
)

// LevelAuto is for DegradationConfig.Level only: the rules decide.
const LevelAuto Level = "auto"

// Levels returns all levels, beginning with LevelFull.
func Levels() []Level { return []Level{LevelFull, LevelReduced, LevelMinimal, LevelPaused} }

// Rank orders the levels: 0 is LevelFull and every unknown level, 3 is LevelPaused.
func (l Level) Rank() int { return max(slices.Index(Levels(), l), 0) }

// Describe returns what the level turns off and what continues.
func (l Level) Describe() string {
	switch l {
	case LevelReduced:
		return "half the job slots, no jobs with a priority below 0; uploads continue"
	case LevelMinimal:
		return "one job at a time, none with a priority below 0 or a large memory reservation; uploads continue"
	case LevelPaused:
		return "no new jobs; running jobs, uploads and the audit log continue"
	}
	return "nothing is turned off"
}

// Jobs returns how many of most jobs at a time the level allows, at least 1: Degradation.Gate keeps jobs from a paused
// agent, so that requests which wait for a slot keep waiting.
func (l Level) Jobs(most int) int {
	switch l {
	case LevelReduced:
		return max((most+1)/2, 1)
	case LevelMinimal, LevelPaused:
		return 1
	}
	return most
}

// above returns the next level up.
func (l Level) above() Level { return Levels()[max(l.Rank()-1, 0)] }

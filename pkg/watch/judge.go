package watch

import (
	"time"

	"github.com/rediverio/sdk/internal/proc"
)

// Reason says which limit a process is over.
type Reason string

// The reasons.
const (
	Memory  Reason = "memory"  // in bytes
	CPU     Reason = "cpu"     // in percent of one CPU
	Age     Reason = "age"     // in seconds
	Stuck   Reason = "stuck"   // no CPU used, in seconds
	Orphan  Reason = "orphan"  // a scanner of ours whose agent is dead
	Zombies Reason = "zombies" // how many it does not reap
)

// Level says how much it matters that a process is over a limit.
type Level string

// The levels.
const (
	Pending Level = "pending" // over its CPU limit, but not for long enough yet
	Soft    Level = "soft"    // reported
	Hard    Level = "hard"    // ended
)

// verdict is what a rule has to say of a process.
type verdict struct {
	reason       Reason
	level        Level
	value, limit float64
}

// judge returns what the process is over; of two limits of a kind, the higher one.
func (r *rule) judge(p proc.Process, t *track, now time.Time) (out []verdict) {
	add := func(reason Reason, level Level, value, limit float64) {
		out = append(out, verdict{reason, level, value, limit})
	}
	switch {
	case r.HardMemoryBytes > 0 && p.Memory > r.HardMemoryBytes:
		add(Memory, Hard, float64(p.Memory), float64(r.HardMemoryBytes))
	case r.SoftMemoryBytes > 0 && p.Memory > r.SoftMemoryBytes:
		add(Memory, Soft, float64(p.Memory), float64(r.SoftMemoryBytes))
	}
	s := t.follow(r)
	long := func(since time.Time) bool { return !since.IsZero() && now.Sub(since) >= r.CPUFor }
	switch {
	case long(s.hard):
		add(CPU, Hard, t.percent, r.HardCPUPercent)
	case long(s.soft):
		add(CPU, Soft, t.percent, r.SoftCPUPercent)
	case !s.hard.IsZero():
		add(CPU, Pending, t.percent, r.HardCPUPercent)
	case !s.soft.IsZero():
		add(CPU, Pending, t.percent, r.SoftCPUPercent)
	}
	if r.MaxAge > 0 && p.Age > r.MaxAge {
		add(Age, Hard, p.Age.Seconds(), r.MaxAge.Seconds())
	}
	if idle := now.Sub(t.idle); r.StuckFor > 0 && !t.idle.IsZero() && idle >= r.StuckFor {
		add(Stuck, Hard, idle.Seconds(), r.StuckFor.Seconds())
	}
	return out
}

package watch

import (
	"fmt"
	"time"

	"github.com/rediverio/sdk/internal/proc"
	"github.com/rediverio/sdk/pkg/event"
)

// Action says what a look did.
type Action string

// The actions.
const (
	Nothing    Action = "nothing"    // it is not time yet
	Warned     Action = "warned"     // an event was recorded
	WouldStop  Action = "would stop" // it would have been ended with Config.Enforce
	Postponed  Action = "postponed"  // this look has ended Config.MaxStops already
	Terminated Action = "terminated" // it ended after TERM
	Killed     Action = "killed"     // it ended after KILL
	Gone       Action = "gone"       // it ended by itself, or is not what it was any more
	Failed     Action = "failed"     // it could not be ended
)

// Finding is a process that is over a limit. Pid, start and boot name it for good.
type Finding struct {
	PID     int           `json:"pid"`
	Start   uint64        `json:"start"` // clock ticks since boot
	Name    string        `json:"name"`
	Command string        `json:"command"` // the first 200 bytes of its command line
	Age     time.Duration `json:"age"`     // nanoseconds
	Memory  int64         `json:"memory"`  // bytes
	Rule    string        `json:"rule"`    // its name; empty of an orphan
	Reason  Reason        `json:"reason"`
	Level   Level         `json:"level"`
	Value   float64       `json:"value"` // in the unit of the reason
	Limit   float64       `json:"limit"`
	Action  Action        `json:"action"`
	Error   string        `json:"error,omitempty"` // why the action failed

	process proc.Process
	rule    *rule // nil of an orphan
	track   *track
}

const maxCommand = 200

func newFinding(p proc.Process, command string, t *track, v verdict) *Finding {
	return &Finding{
		PID: p.PID, Start: p.Start, Name: clip(p.Name), Command: clip(command), Age: p.Age, Memory: p.Memory,
		Reason: v.reason, Level: v.level, Value: v.value, Limit: v.limit, process: p, track: t,
	}
}

func clip(s string) string { return s[:min(len(s), maxCommand)] }

// stops says whether the finding asks for an end of the process.
func (f *Finding) stops() bool {
	return f.Level == Hard && (f.rule == nil || f.rule.Action == ActionStop)
}

// record records what was done, once for as long as it stays the same.
func (w *Watcher) record(f *Finding) {
	if f.Action == Nothing || f.Action == Gone || !f.news() {
		return
	}
	e := event.Event{
		Timestamp: time.Now(), Type: event.ProcessWarning, Severity: event.Warn, Error: f.Error,
		Message: fmt.Sprintf("process %d (%s) is over its limit of %s: %s", f.PID, f.Name, f.Reason, f.Action),
		Details: map[string]any{
			"pid": f.PID, "start": f.Start, "boot_id": w.boot, "name": f.Name, "command": f.Command, "rule": f.Rule, "reason": string(f.Reason),
			"level": string(f.Level), "value": f.Value, "limit": f.Limit, "action": string(f.Action), "memory_bytes": f.Memory, "age_ms": f.Age.Milliseconds(),
		},
	}
	if f.Reason == Orphan {
		e.Message = fmt.Sprintf("process %d (%s) was left behind by a dead agent: %s", f.PID, f.Name, f.Action)
	}
	if f.Action == Terminated || f.Action == Killed {
		e.Type = event.ProcessStopped
	}
	w.cfg.Sink.Record(e)
}

// news says whether this is another action than the one that was reported last.
func (f *Finding) news() bool {
	now := string(f.Level) + " " + string(f.Action)
	if f.track.said[f.id()] == now {
		return false
	}
	f.track.said[f.id()] = now
	return true
}

// id tells the findings of one process apart.
func (f *Finding) id() string { return f.Rule + " " + string(f.Reason) }

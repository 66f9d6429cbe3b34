package scan

import (
	"fmt"
	"slices"

	"github.com/rediverio/sdk/internal/proc"
)

// Containment is what holds all processes of a scanner together, so that none is missed when they are ended.
type Containment string

// The containments, weakest first; see docs/explanation/containment.md. Auto takes Cgroup where the agent may make
// control groups, JobObject on Windows, and Group elsewhere. Subreaper and PIDNamespace have to be asked for.
//
// At Subreaper a program must start nothing else in a process group of its own while a scan runs: without a mark it cannot be
// told from an orphan of the scanner, and is killed with those.
const (
	ContainAuto         = Containment(proc.Auto)
	ContainGroup        = Containment(proc.Group)        // the process group, and what carries a mark; any Unix
	ContainSubreaper    = Containment(proc.Subreaper)    // also, orphans become children of this process for the rest of its life; Linux
	ContainPIDNamespace = Containment(proc.PIDNamespace) // a process namespace, which the kernel ends as a whole; Linux, with privilege or user namespaces
	ContainCgroup       = Containment(proc.Cgroup)       // a control group (v2) for each scan, with limits where it has controllers; Linux
	ContainJobObject    = Containment(proc.JobObject)    // a job object, which ends with the agent; Windows
)

var containments = []Containment{ContainAuto, ContainGroup, ContainSubreaper, ContainPIDNamespace, ContainCgroup, ContainJobObject}

// Contained says what is in force.
type Contained struct {
	Level Containment `json:"level"`
	Note  string      `json:"note,omitempty"` // what is missing: limits a control group cannot hold, or why auto found no better level
}

// Containment returns what holds the scanners of r together.
func (r *Runner) Containment() Contained {
	return Contained{Containment(r.contain.Level()), r.contain.Note()}
}

// String is the level with its note.
func (c Contained) String() string {
	if c.Note == "" {
		return string(c.Level)
	}
	return fmt.Sprintf("%s (%s)", c.Level, c.Note)
}

func (c Containment) validate() error {
	if c != "" && !slices.Contains(containments, c) {
		return fmt.Errorf("containment: %q is none of %q", c, containments)
	}
	return nil
}

package proc

import (
	"fmt"
	"strings"
)

// Level says what holds the processes of a child together, so that none is missed when they are ended.
type Level string

// The levels, weakest first.
const (
	Group        Level = "group"     // its process group, and what a look at all processes finds: parents, marker
	Subreaper    Level = "subreaper" // also, orphans of it become children of this process; Linux
	PIDNamespace Level = "pidns"     // a process namespace, whose end the kernel makes the end of all in it; Linux
	Cgroup       Level = "cgroup"    // a control group (v2), out of which no process gets by itself; Linux
	JobObject    Level = "job"       // a job object, which ends with this process; Windows
)

// Auto asks for the best level that changes nothing else: Cgroup on Linux and JobObject on Windows where they are to
// be had, Group otherwise. Subreaper changes whose children orphans become in the whole process, and PIDNamespace what a
// child sees as its own process ID: both have to be asked for.
const Auto Level = "auto"

// Containment holds children at one level. Nil is that of Group. It may be used by any number of runs at once.
type Containment struct {
	level Level
	note  string
	means // of this system
}

// Contain returns a Containment of a level, after it has tried whether that is to be had. Subreaper has then been
// turned on, for the rest of the process's life. The error says why a level is not to be had; for Auto there is none.
func Contain(want Level) (*Containment, error) {
	switch want {
	case Group:
		return &Containment{level: Group}, nil
	case Auto, "":
		c, err := strongest()
		if err != nil {
			c = &Containment{level: Group, note: err.Error()}
		}
		return c, nil
	}
	c, err := contain(want)
	if err != nil {
		return nil, fmt.Errorf("containment %s is not to be had: %w", want, err)
	}
	return c, nil
}

// Level returns the level in force.
func (c *Containment) Level() Level {
	if c == nil {
		return Group
	}
	return c.level
}

// Note says what is missing at this level, or why Auto found no better one; empty for nothing.
func (c *Containment) Note() string {
	if c == nil {
		return ""
	}
	return c.note
}

// String is the level with its note.
func (c *Containment) String() string {
	return strings.TrimSuffix(string(c.Level())+": "+c.Note(), ": ")
}

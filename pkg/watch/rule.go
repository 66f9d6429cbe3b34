package watch

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/rediverio/sdk/internal/proc"
)

// Rule is about the processes whose name or command line matches a pattern. Pattern and one limit must be set.
type Rule struct {
	// Name stands in events. Empty: the pattern.
	Name string
	// Pattern is a regular expression (RE2) that is looked for in the name of the process and in the first 4 KiB of its
	// command line, arguments separated by spaces. One that matches the empty text, or whatever has letters, is refused.
	Pattern string
	// Users are the names or numbers of the users whose processes the rule is about: both the real and the effective user of
	// a process must be among them. Empty: the agent's own user.
	Users []string

	SoftMemoryBytes int64 // of resident memory of the process; 0: no limit
	HardMemoryBytes int64 // the same

	SoftCPUPercent float64       // of one CPU, so that 200 is two of them, over CPUFor; 0: no limit
	HardCPUPercent float64       // the same
	CPUFor         time.Duration // how long a process must be over a limit of CPU in each look; default 1m

	MaxAge   time.Duration // since its start, a hard limit; 0: none
	StuckFor time.Duration // without using any CPU, a hard limit; 0: none

	// Action is what a hard limit leads to: stop, or warn, as a soft one does. Empty: stop.
	Action string
}

// The values of Rule.Action.
const (
	ActionStop = "stop"
	ActionWarn = "warn"
)

// DefaultCPUFor is the default of Rule.CPUFor.
const DefaultCPUFor = time.Minute

const (
	maxPattern = 1000
	maxUsers   = 100
	maxPercent = 100 * 4096
)

// unlike are names that have little in common: what matches them all matches nearly everything.
var unlike = []string{"sshd", "init", "cron", "bash", "dockerd"}

func (r Rule) name() string { return cmp.Or(r.Name, r.Pattern) }

// Validate returns everything that is wrong with the rule, in one error.
func (r Rule) Validate() error {
	var v problems
	switch re, err := regexp.Compile(r.Pattern); {
	case r.Pattern == "":
		v.add("pattern", errors.New("is empty"))
	case len(r.Pattern) > maxPattern:
		v.add("pattern", fmt.Errorf("has %d bytes, at most %d", len(r.Pattern), maxPattern))
	case err != nil:
		v.add("pattern", err)
	case re.MatchString(""), !slices.ContainsFunc(unlike, func(name string) bool { return !re.MatchString(name) }):
		v.add("pattern", fmt.Errorf("%q matches every process", r.Pattern))
	}
	v.number("users", int64(len(r.Users)), 0, maxUsers)
	v.number("soft_memory_bytes", r.SoftMemoryBytes, 1<<20, 1<<50)
	v.number("hard_memory_bytes", r.HardMemoryBytes, 1<<20, 1<<50)
	v.percent("soft_cpu_percent", r.SoftCPUPercent)
	v.percent("hard_cpu_percent", r.HardCPUPercent)
	v.duration("cpu_for", r.CPUFor, time.Second, 24*time.Hour)
	v.duration("max_age", r.MaxAge, time.Second, 365*24*time.Hour)
	v.duration("stuck_for", r.StuckFor, time.Second, 365*24*time.Hour)
	if r.HardMemoryBytes != 0 && r.SoftMemoryBytes > r.HardMemoryBytes {
		v.add("soft_memory_bytes", fmt.Errorf("%d is over hard_memory_bytes, %d", r.SoftMemoryBytes, r.HardMemoryBytes))
	}
	if r.HardCPUPercent != 0 && r.SoftCPUPercent > r.HardCPUPercent {
		v.add("soft_cpu_percent", fmt.Errorf("%g is over hard_cpu_percent, %g", r.SoftCPUPercent, r.HardCPUPercent))
	}
	if r.SoftMemoryBytes == 0 && r.HardMemoryBytes == 0 && !r.limitsCPU() && r.MaxAge == 0 && r.StuckFor == 0 {
		v.add("pattern", errors.New("the rule has no limit"))
	}
	if r.Action != "" && r.Action != ActionStop && r.Action != ActionWarn {
		v.add("action", fmt.Errorf("%q: want %s or %s", r.Action, ActionStop, ActionWarn))
	}
	return errors.Join(v...)
}

func (v *problems) percent(name string, x float64) {
	if x != 0 && !(x >= 1 && x <= maxPercent) {
		v.add(name, fmt.Errorf("%g is outside 1 to %d", x, maxPercent))
	}
}

func (r Rule) limitsCPU() bool { return r.SoftCPUPercent > 0 || r.HardCPUPercent > 0 }

// rule is a Rule ready for use.
type rule struct {
	Rule
	re    *regexp.Regexp
	users map[int]bool
}

// compile prepares a valid rule; its users must exist.
func compile(r Rule) (*rule, error) {
	orDefault(&r.CPUFor, DefaultCPUFor)
	r.Name, r.Action = r.name(), cmp.Or(r.Action, ActionStop)
	out := &rule{Rule: r, re: regexp.MustCompile(r.Pattern), users: map[int]bool{}}
	for _, name := range r.Users {
		uid, err := strconv.Atoi(name)
		if err != nil {
			u, err := user.Lookup(name)
			if err != nil {
				return nil, fmt.Errorf("rule %s: users: %w", r.Name, err)
			}
			if uid, err = strconv.Atoi(u.Uid); err != nil {
				return nil, fmt.Errorf("rule %s: users: %s: %w", r.Name, name, err)
			}
		}
		out.users[uid] = true
	}
	if len(r.Users) == 0 {
		out.users[os.Geteuid()] = true
	}
	return out, nil
}

func (r *rule) matches(name, command string) bool {
	return r.re.MatchString(name) || r.re.MatchString(command)
}

// allows says whether the process runs for users of the rule alone.
func allows(users map[int]bool, p proc.Process) bool {
	real, effective, ok := p.Users()
	return ok && users[real] && users[effective]
}

package watch

import (
	"errors"
	"fmt"
	"time"

	"github.com/rediverio/sdk/pkg/event"
)

// Config says what is watched. The zero value watches nothing.
type Config struct {
	// Enforce ends processes over their hard limits and removes files. Off, which is the default, a look only says what
	// it would do.
	Enforce bool

	Interval    time.Duration // between looks at the processes; default 30s; longer where a look takes over a fiftieth of it
	DirInterval time.Duration // between looks at the directories; default 10m
	Grace       time.Duration // between TERM and KILL; default 2s
	MaxStops    int           // processes ended by one look, those with the most memory first; default 5

	// MaxProcesses bounds a look on a host with very many processes: the rest is not seen, and the look says so;
	// default 32768.
	MaxProcesses int
	// MaxZombies is how many zombies of one parent are reported, while there are rules or Orphans is set: only the parent can
	// reap them; default 20; -1: never.
	MaxZombies int

	Orphans bool   // end scanners of ours whose agent is dead
	Rules   []Rule // for processes
	Dirs    []Dir  // to be kept under a size

	// Sink hears of process_warning, process_stopped and cache_cleanup. Nil: nobody does.
	Sink event.Sink
}

// The defaults of Config.
const (
	DefaultInterval     = 30 * time.Second
	DefaultDirInterval  = 10 * time.Minute
	DefaultGrace        = 2 * time.Second
	DefaultMaxStops     = 5
	DefaultMaxProcesses = 1 << 15
	DefaultMaxZombies   = 20
)

// The most rules and directories that a Config may have.
const (
	MaxRules = 100
	MaxDirs  = 100
)

// Empty says whether there is nothing to watch.
func (c Config) Empty() bool { return len(c.Rules) == 0 && len(c.Dirs) == 0 && !c.Orphans }

// Validate returns everything that is out of range, in one error.
func (c Config) Validate() error {
	var v problems
	v.duration("interval", c.Interval, time.Second, 24*time.Hour)
	v.duration("dir_interval", c.DirInterval, time.Second, 30*24*time.Hour)
	v.duration("grace", c.Grace, time.Millisecond, 10*time.Minute)
	v.number("max_stops", int64(c.MaxStops), 1, 1000)
	v.number("max_processes", int64(c.MaxProcesses), 1, 1<<22)
	if c.MaxZombies != -1 {
		v.number("max_zombies", int64(c.MaxZombies), 1, 1<<22)
	}
	v.number("rules", int64(len(c.Rules)), 0, MaxRules)
	v.number("dirs", int64(len(c.Dirs)), 0, MaxDirs)
	names := map[string]bool{}
	for i, r := range c.Rules {
		at := fmt.Sprintf("rules.%d", i)
		v.within(at, r.Validate())
		if names[r.name()] {
			v.add(at+".name", fmt.Errorf("%q is that of another rule", r.name()))
		}
		names[r.name()] = true
	}
	for i, d := range c.Dirs {
		v.within(fmt.Sprintf("dirs.%d", i), d.Validate())
	}
	return errors.Join(v...)
}

func (c Config) withDefaults() Config {
	orDefault(&c.Interval, DefaultInterval)
	orDefault(&c.DirInterval, DefaultDirInterval)
	orDefault(&c.Grace, DefaultGrace)
	orDefault(&c.MaxStops, DefaultMaxStops)
	orDefault(&c.MaxProcesses, DefaultMaxProcesses)
	orDefault(&c.MaxZombies, DefaultMaxZombies)
	c.Sink = event.OrNop(c.Sink)
	return c
}

func orDefault[T ~int | ~int64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// problems collects what is wrong.
type problems []error

func (v *problems) add(name string, err error) {
	if err != nil {
		*v = append(*v, fmt.Errorf("%s: %w", name, err))
	}
}

// within adds the problems of a part, whose fields err names.
func (v *problems) within(part string, err error) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			*v = append(*v, fmt.Errorf("%s.%w", part, one))
		}
	}
}

// number checks a value that may be 0.
func (v *problems) number(name string, n, lo, hi int64) {
	if n != 0 && (n < lo || n > hi) {
		v.add(name, fmt.Errorf("%d is outside %d to %d", n, lo, hi))
	}
}

func (v *problems) duration(name string, d, lo, hi time.Duration) {
	if d != 0 && (d < lo || d > hi) {
		v.add(name, fmt.Errorf("%s is outside %s to %s", d, lo, hi))
	}
}

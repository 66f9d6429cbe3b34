package proc

import (
	"os"
	"time"
)

// over returns which limit the child is over, empty for none.
func (c *child) over(now time.Time) Cause {
	if c.outputOver() {
		return Output
	}
	if now.Before(c.next) || !Supported().Memory {
		return ""
	}
	before := c.last
	u := c.sample()
	defer func() { c.schedule(now, before) }()
	switch {
	case c.memoryOver():
		return Memory
	case c.spec.MaxProcesses > 0 && u.Processes > c.spec.MaxProcesses:
		return Processes
	case c.spec.CPUTime > 0 && u.CPU > c.spec.CPUTime:
		return CPU
	case c.spec.StuckTimeout > 0 && c.idle.lasts(now, u.CPU, c.outputSize()) >= c.spec.StuckTimeout:
		return Stuck
	}
	return ""
}

// files are what the child writes, with their limits.
func (c *child) files() [3]limitedFile {
	return [3]limitedFile{
		{c.spec.Stdout, c.spec.MaxOutputBytes}, {c.spec.Report, c.spec.MaxOutputBytes}, {c.spec.Stderr, c.spec.MaxLogBytes},
	}
}

type limitedFile struct {
	path  string
	limit int64
}

// size is 0 for a file that is not there.
func (f limitedFile) size() int64 {
	if f.path == "" {
		return 0
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (c *child) outputOver() bool {
	for _, f := range c.files() {
		if f.limit > 0 && f.size() > f.limit {
			c.res.File = f.path
			return true
		}
	}
	return false
}

func (c *child) outputSize() (sum int64) {
	for _, f := range c.files() {
		sum += f.size()
	}
	return sum
}

// memoryOver says whether the tree is over its limit, and tells who wants to know when it is over the soft one. The sum
// of resident memory counts shared pages once for each process, so what is over a limit by it is looked at closely.
func (c *child) memoryOver() bool {
	hard, soft := c.spec.MemoryBytes, c.spec.SoftMemoryBytes
	isSoft := soft > 0 && !c.warned && c.last.Memory > soft
	isHard := hard > 0 && c.last.Memory > hard
	if !isSoft && !isHard {
		return false
	}
	share := c.tree.share()
	if isSoft && share > soft {
		c.warned = true
		if c.spec.OnSoftMemory != nil {
			c.spec.OnSoftMemory(share)
		}
	}
	return isHard && share > hard
}

// idle is how long a tree has done nothing.
type idle struct {
	since  time.Time
	cpu    time.Duration
	output int64
}

// lasts notes what the tree has done until now and returns for how long that is all.
func (i *idle) lasts(now time.Time, cpu time.Duration, output int64) time.Duration {
	if cpu != i.cpu || output != i.output {
		*i = idle{now, cpu, output}
	}
	return now.Sub(i.since)
}

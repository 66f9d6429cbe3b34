package proc

import (
	"os"
	"time"
)

// outputOver looks at the sizes of the files.
func (c *child) outputOver() bool {
	for _, f := range []struct {
		path  string
		limit int64
	}{
		{c.spec.Stdout, c.spec.MaxOutputBytes}, {c.spec.Report, c.spec.MaxOutputBytes}, {c.spec.Stderr, c.spec.MaxLogBytes},
	} {
		if f.path == "" || f.limit <= 0 {
			continue
		}
		if info, err := os.Stat(f.path); err == nil && info.Size() > f.limit {
			c.res.File = f.path
			return true
		}
	}
	return false
}

// memoryOver looks at the tree, when it is time to. On a host with many processes it looks less often, so that
// watching costs no more than a twentieth of a CPU.
func (c *child) memoryOver() bool {
	begin := time.Now()
	if begin.Before(c.sample) {
		return false
	}
	used, over := c.tree.measure(c.spec.MemoryBytes)
	c.tellMemory(used)
	end := time.Now()
	c.sample = end.Add(max(memoryPoll, 20*end.Sub(begin)))
	return over
}

// tellMemory passes on what the tree uses, where this system can say it.
func (c *child) tellMemory(used int64) {
	if c.spec.OnMemory != nil && Supported().Memory {
		c.spec.OnMemory(used)
	}
}

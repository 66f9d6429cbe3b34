package proc

import "time"

// DefaultSampleInterval is the time between two samples of a tree.
const DefaultSampleInterval = 250 * time.Millisecond

// sampleCost bounds what sampling costs, as a part of one CPU: one in so many. Where a sample takes long, on a host with
// many processes, the next one comes later, but not later than maxStretch intervals.
const (
	sampleCost = 20
	maxStretch = 4
)

// sample measures the tree.
func (c *child) sample() Usage {
	c.last = c.tree.measure()
	c.peak.peak(c.last)
	c.tell(c.last)
	return c.last
}

// schedule says when the next sample is due after that which began at begin. A tree that would be over its memory limit
// before, if it goes on growing as it did since the sample before, is looked at as soon as the cost of that allows.
func (c *child) schedule(begin time.Time, before Usage) {
	pause := c.spec.SampleInterval
	if pause <= 0 {
		pause = DefaultSampleInterval
	}
	end := time.Now()
	cost := min(sampleCost*end.Sub(begin), maxStretch*pause)
	if limit := c.spec.MemoryBytes; limit > 0 && c.last.Memory+(c.last.Memory-before.Memory) > limit {
		pause = 0
	}
	c.next = end.Add(max(pause, cost))
}

// tell passes on what the tree uses, where this system can say it.
func (c *child) tell(u Usage) {
	if c.spec.OnSample != nil && Supported().Memory {
		c.spec.OnSample(u)
	}
}

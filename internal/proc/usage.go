package proc

import "time"

// Usage is what the tree of a child uses at one moment.
type Usage struct {
	Memory    int64         // resident, in bytes; pages that processes share count once for each
	CPU       time.Duration // user and system time since the start, as Result.CPU counts it
	Processes int           // those that have ended and wait for their parent to notice included
	Threads   int           // of the processes that have not ended
}

// peak raises u to v where v is larger.
func (u *Usage) peak(v Usage) {
	u.Memory = max(u.Memory, v.Memory)
	u.CPU = max(u.CPU, v.CPU)
	u.Processes = max(u.Processes, v.Processes)
	u.Threads = max(u.Threads, v.Threads)
}

package proc

import (
	"errors"
	"time"
)

// Process is what the system says of one process at one moment. PID and Start together name it until the next boot:
// a pid is used again, the pair is not.
type Process struct {
	PID    int
	Start  uint64 // clock ticks since boot
	Parent int
	Name   string        // as it calls itself, at most 15 bytes
	Age    time.Duration // since it started
	CPU    time.Duration // used by its own threads
	Memory int64         // resident bytes; pages that it shares count too
	Zombie bool          // it has ended, and its parent has not asked how
	Kernel bool          // a thread of the kernel
}

// ErrGone says that a process has ended, or is not the one any more that was meant.
var ErrGone = errors.New("the process is gone")

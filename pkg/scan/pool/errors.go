package pool

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrClosed is returned by a pool that was closed, or not started yet.
var ErrClosed = errors.New("the pool is closed")

// ErrReleased is returned by a Server that was released.
var ErrReleased = errors.New("the server was released")

// ExhaustedError says that no instance was free: at once, because too many callers wait already, or after a wait, with the reason
// for its end in Err.
type ExhaustedError struct {
	Max     int           // instances that the pool may have
	InUse   int           // instances that callers had at that moment
	Waiting int           // callers that waited at that moment, this one not included
	Waited  time.Duration // by this caller; 0: it was refused at once
	Err     error         // why it does not wait any longer: that of its context, or context.DeadlineExceeded; nil when refused
}

func (e *ExhaustedError) Error() string {
	text := fmt.Sprintf("no server is free: %d of at most %d in use, %d callers waiting", e.InUse, e.Max, e.Waiting)
	if e.Err != nil {
		text += fmt.Sprintf(", after %s: %v", e.Waited.Round(time.Millisecond), e.Err)
	}
	return text
}

// Unwrap returns Err.
func (e *ExhaustedError) Unwrap() error { return e.Err }

// Temporary is true: an instance will be free again.
func (e *ExhaustedError) Temporary() bool { return true }

// Cause says why an instance ended, or could not be started.
type Cause string

// The causes. All but the last five are failures, and end the call that is under way.
const (
	Start    Cause = "start"    // it did not start, or not in time, or Config.Initialize refused it
	Crash    Cause = "crash"    // it ended by itself, or closed its output
	Timeout  Cause = "timeout"  // it did not answer in time
	Garbage  Cause = "garbage"  // it wrote what is no message, or answered what was not asked
	TooLarge Cause = "size"     // a message over Config.MaxMessageBytes
	Flood    Cause = "flood"    // over Config.MaxUnsolicited messages that nobody asked for
	Memory   Cause = "memory"   // over Config.HardMemoryBytes
	Health   Cause = "health"   // no answer to Config.Health in time
	Leak     Cause = "leak"     // over Config.MemoryBytes, after its call
	Worn     Cause = "calls"    // Config.MaxCalls are over
	Idle     Cause = "idle"     // Config.IdleTimeout is over
	Asked    Cause = "asked"    // by Server.Discard
	Shutdown Cause = "shutdown" // the pool was closed
)

// failure says whether the instance is to blame.
func (c Cause) failure() bool {
	switch c {
	case Leak, Worn, Idle, Asked, Shutdown:
		return false
	}
	return true
}

// Error says what became of an instance, and with it of the call. The instance is replaced; the same call may work
// on another one, unless it is the call that kills them.
type Error struct {
	Name   string   // Config.Name
	Cause  Cause    // why
	PID    int      // of the instance; 0: it was not started
	Method string   // of the call; empty: there was none
	Stderr []string // the last lines of its standard error, cleaned
	Err    error    // more of why
	// RetryAfter is when the next start is tried, where the pool has given up for now; otherwise zero.
	RetryAfter time.Time
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Name, e.Cause)
	if e.Method != "" {
		fmt.Fprintf(&b, " in %s", e.Method)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if n := len(e.Stderr); n > 0 {
		fmt.Fprintf(&b, "; it said: %s", e.Stderr[n-1])
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Temporary says whether another attempt may succeed: true, since each failure ends with another instance.
func (e *Error) Temporary() bool { return true }

// exitError is how a server ended.
type exitError struct {
	code   int
	signal string
}

func (e exitError) Error() string {
	if e.signal != "" {
		return "it was ended by signal: " + e.signal
	}
	return fmt.Sprintf("it ended with exit code %d", e.code)
}

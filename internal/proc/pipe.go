package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Child is a running child that its owner talks to over pipes. Its methods may be called concurrently. It is stopped
// by Stop and by nothing else, so whoever starts one calls Stop, also when it has ended by itself.
type Child struct {
	Stdin  io.WriteCloser // closed by Stop
	Stdout io.ReadCloser  // closed by Stop, whoever else has the other end open
	Stderr io.ReadCloser  // the same

	begin  time.Time
	exited chan struct{}
	reap   func()
	mu     sync.Mutex // guards c: its tree is used by one goroutine at a time
	c      *child
	once   sync.Once
}

// Start starts a child with pipes. Of spec it uses Path, Args, Dir, Env, Marker, Contain, Record, Grace, MaxFileBytes, MaxProcesses and Nice, and
// MemoryBytes where a control group holds it: what else is to be watched is up to the caller, who has Memory for it.
func Start(spec Spec) (*Child, error) {
	cmd := bareCommand(spec)
	var ours, theirs []*os.File
	fail := func(err error) (*Child, error) {
		closeAll(append(ours, theirs...))
		return nil, err
	}
	// Pipes of our own, not those of exec.Cmd: closing our end ends a read that a grandchild keeps waiting.
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			return fail(fmt.Errorf("start: %w", err))
		}
		if ours == nil { // standard input is the one that we write
			r, w = w, r
		}
		ours, theirs = append(ours, r), append(theirs, w)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	running, err := begin(cmd, spec)
	if err != nil {
		return fail(err)
	}
	closeAll(theirs)
	c := &Child{Stdin: ours[0], Stdout: ours[1], Stderr: ours[2], begin: time.Now(), exited: make(chan struct{}), c: running}
	c.reap = awaitExit(cmd, c.exited)
	return c, nil
}

// PID returns the pid of the leader. It is not given to anybody else before Stop, on Linux.
func (c *Child) PID() int { return c.c.cmd.Process.Pid }

// Exited is closed when the leader has ended. What it started may go on until Stop.
func (c *Child) Exited() <-chan struct{} { return c.exited }

// Memory returns the resident memory of the tree now, and whether it is over limit, where the system can say it:
// see Supported. The sum counts pages that processes share once for each, the verdict divides them.
func (c *Child) Memory(limit int64) (bytes int64, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.c.sample()
	return u.Memory, limit > 0 && u.Memory > limit && c.c.tree.share() > limit
}

// Stop asks the tree to end, kills what has not ended within Spec.Grace, reaps the leader, closes the pipes and says how it
// ended. A child that has ended by itself has the cause Exit. The second call returns what the first one did.
func (c *Child) Stop() *Result {
	c.once.Do(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.c.res.Cause = Cancel
		if ended(c.exited, 0) {
			c.c.res.Cause = Exit
		} else {
			c.c.stop(c.exited)
		}
		c.c.finish(c.exited, c.reap)
		c.c.res.Duration = time.Since(c.begin)
		_ = errors.Join(c.Stdin.Close(), c.Stdout.Close(), c.Stderr.Close()) // nobody is there to hear of it
	})
	return &c.c.res
}

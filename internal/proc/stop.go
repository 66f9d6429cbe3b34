package proc

import "time"

// killWait is how long a killed leader may take to end: only one that is stuck in the kernel takes longer.
const killWait = 10 * time.Second

// clearTime bounds how long what keeps forking is killed.
const clearTime = 2 * time.Second

// stop asks the tree to end and kills it when the leader does not within the grace period. What takes more of the host
// than it may is killed at once: in the grace period it could take any amount.
func (c *child) stop(exited <-chan struct{}) {
	if c.spec.Grace > 0 && !c.res.Cause.harmful() && c.tree.terminate() && ended(exited, c.spec.Grace) {
		return
	}
	c.tree.kill()
	ended(exited, killWait)
}

// ended waits at most d for exited.
func ended(exited <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-exited:
		return true
	case <-t.C:
	}
	select { // both may have been ready
	case <-exited:
		return true
	default:
		return false
	}
}

// harmful says whether the child was stopped as it took too much of what others need.
func (c Cause) harmful() bool { return c == Memory || c == Processes || c == Output }

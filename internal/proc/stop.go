package proc

import "time"

// killWait is how long a killed leader may take to end: only one that is stuck in the kernel takes longer.
const killWait = 10 * time.Second

// clearTime bounds how long what keeps forking is killed.
const clearTime = 2 * time.Second

// stop asks the tree to end and kills it when the leader does not within the grace period. What takes more of the host
// than it may, before or while it is asked, is killed at once: in the grace period it could take any amount.
func (c *child) stop(exited <-chan struct{}) {
	if c.spec.Grace > 0 && !c.res.Cause.harmful() && c.tree.terminate() && c.endsWell(exited) {
		return
	}
	c.tree.kill()
	ended(exited, killWait)
}

// endsWell waits for the leader, at most for the grace period and only while the tree does no harm.
func (c *child) endsWell(exited <-chan struct{}) bool {
	for deadline := time.Now().Add(c.spec.Grace); ; {
		now := time.Now()
		if ended(exited, min(max(deadline.Sub(now), 0), sizePoll)) {
			return true
		}
		if !now.Before(deadline) || c.over(now).harmful() {
			return false
		}
	}
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

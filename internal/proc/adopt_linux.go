package proc

import (
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// family is what this process knows of its own children. Orphans join them when it is a subreaper or process 1: those it
// has to reap, and only those, for whoever started a child waits for that itself.
var family = struct {
	sync.Mutex
	subreaper bool
	started   map[int]bool           // waited for by whoever called launch
	trees     map[*tree]uint64       // that run, with the start time of their leaders
	zombies   map[identity]time.Time // that nobody is known to wait for, with the time they were first seen
}{started: map[int]bool{}, trees: map[*tree]uint64{}}

// launching is held while a child is started and not noted yet, so that it is not taken for an orphan. It is apart from
// the lock of family, because it may be held long: a program on a dead mount does not start. It is taken first.
var launching sync.Mutex

// launch starts cmd, with the mark of marker, as a child that is waited for. The caller calls forget when it has waited.
func launch(cmd *exec.Cmd, marker string) error {
	launching.Lock()
	defer launching.Unlock()
	return marked(marker, func() error {
		if err := cmd.Start(); err != nil {
			return err
		}
		family.Lock()
		defer family.Unlock()
		family.started[cmd.Process.Pid] = true
		return nil
	})
}

func forget(pid int) {
	family.Lock()
	defer family.Unlock()
	delete(family.started, pid)
}

// becomeSubreaper makes every orphan below this process its child.
func becomeSubreaper() error {
	family.Lock()
	defer family.Unlock()
	err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	family.subreaper = family.subreaper || err == nil
	return err
}

// join and leave frame the time in which orphans may be those of t.
func (t *tree) join() {
	s, _ := readStat(t.leader) // it is ours to reap, so it is there
	family.Lock()
	defer family.Unlock()
	family.trees[t] = s.start
}

func (t *tree) leave() {
	family.Lock()
	defer family.Unlock()
	delete(family.trees, t)
}

// adopted returns the orphans among all that are of t: those with its marker, and those without any that no other running
// tree can have started, unless one is being started now. Children of this process that are in its own process group are not orphans of a tree,
// whose processes never are; somebody else in this program has started them.
func (t *tree) adopted(all []stat) map[int]bool {
	orphans := map[int]bool{}
	self, group := os.Getpid(), unix.Getpgrp()
	quiet := launching.TryLock()
	if quiet {
		defer launching.Unlock()
	}
	family.Lock()
	defer family.Unlock()
	for _, s := range all {
		if s.ppid != self || s.pgrp == group || family.started[s.pid] {
			continue
		}
		if carries(s, t.marker) || quiet && readMark(s.pid) == 0 && markerOf(s.pid) == "" && t.only(s) {
			orphans[s.pid] = true
		}
	}
	return orphans
}

// only says whether t is the only running tree that is old enough to have started s. family is locked.
func (t *tree) only(s stat) bool {
	for other, start := range family.trees {
		if (other == t) != (start <= s.start) {
			return false
		}
	}
	return true
}

// strangerTime is how long process 1, which may have orphans from anywhere, leaves a zombie to somebody who waits for
// it after all.
var strangerTime = 5 * time.Second // tests do not wait

// reap waits for the orphans that have ended, one by one: a wait for any child would take away exit codes that others
// wait for. It returns how many there were. While a child is being started it does nothing; the next look comes soon.
func reap() (reaped int) {
	self, group := os.Getpid(), unix.Getpgrp()
	if !launching.TryLock() {
		return 0
	}
	defer launching.Unlock()
	family.Lock()
	defer family.Unlock()
	if !family.subreaper && self != 1 {
		return 0
	}
	seen := map[identity]time.Time{}
	for _, s := range withZombies() {
		if !s.zombie || s.ppid != self || s.pgrp == group || family.started[s.pid] {
			continue
		}
		first, old := family.zombies[s.identity]
		if !old {
			first = time.Now()
		}
		if family.subreaper || time.Since(first) >= strangerTime {
			if pid, err := unix.Wait4(s.pid, nil, unix.WNOHANG, nil); err == nil && pid == s.pid {
				reaped++
			}
			continue
		}
		seen[s.identity] = first
	}
	family.zombies = seen
	return reaped
}

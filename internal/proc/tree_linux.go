package proc

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// tree is the leader and what descends from it. It is used by one goroutine.
type tree struct {
	leader int
	marker string
	known  map[identity]bool // every living member seen so far
	peak   int64             // largest sum of resident memory seen
}

func newTree(leader int, marker string) *tree {
	return &tree{leader: leader, marker: marker, known: map[identity]bool{}}
}

// members returns the living processes of the tree: those of the leader's group, those seen before, and their
// children, wherever they have gone.
func (t *tree) members() []stat {
	all := processes()
	alive := make(map[int]bool, len(t.known))
	var out []stat
	for grown := true; grown; { // a child may be listed before its parent
		grown = false
		for _, s := range all {
			if alive[s.pid] {
				continue
			}
			if s.pgrp == t.leader || s.ppid == t.leader || alive[s.ppid] || t.known[s.identity] {
				alive[s.pid] = true
				out = append(out, s)
				grown = true
			}
		}
	}
	clear(t.known) // the dead are forgotten, so that the map stays as small as the tree
	for _, s := range out {
		t.known[s.identity] = true
	}
	return out
}

func (t *tree) terminate() { t.signal(unix.SIGTERM) }
func (t *tree) kill()      { t.signal(unix.SIGKILL) }

// signal reaches the group, and the members that have left it. It is only called while the leader is running
// or a zombie, so the group is still ours.
func (t *tree) signal(sig unix.Signal) {
	members := t.members() // before the signal takes away the parents by which they are found
	_ = unix.Kill(-t.leader, sig)
	for _, s := range members {
		if s.pgrp != t.leader {
			signalOne(s, sig)
		}
	}
}

// clearTime bounds how long clear kills what keeps forking.
const clearTime = 2 * time.Second

// clear kills what is left of the tree until two looks find nothing. It returns how many processes it killed
// and how many it could not.
func (t *tree) clear() (leftovers, survivors int) {
	killed := map[identity]bool{}
	var left []stat
	for empty, deadline := 0, time.Now().Add(clearTime); empty < 2 && time.Now().Before(deadline); {
		left = t.leftovers() // counted before they die
		_ = unix.Kill(-t.leader, unix.SIGKILL)
		if len(left) == 0 {
			empty++
			continue
		}
		empty = 0
		for _, s := range left {
			killed[s.identity] = true
			signalOne(s, unix.SIGKILL)
		}
		time.Sleep(2 * time.Millisecond) // for the kernel to take them down
	}
	return len(killed), len(left)
}

// leftovers returns the members and the processes that carry the marker, without the leader.
func (t *tree) leftovers() []stat {
	var left []stat
	found := map[int]bool{t.leader: true}
	for _, s := range t.members() {
		if !found[s.pid] {
			found[s.pid] = true
			left = append(left, s)
		}
	}
	if t.marker == "" {
		return left
	}
	for _, s := range processes() {
		if !found[s.pid] && markerOf(s.pid) == t.marker {
			t.known[s.identity] = true
			left = append(left, s)
		}
	}
	return left
}

// signalOne signals exactly the process that s describes: the handle is taken first and the start compared
// then, so that a pid that was used again in between is left alone.
func signalOne(s stat, sig unix.Signal) {
	fd, err := unix.PidfdOpen(s.pid, 0)
	if err != nil {
		if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // an old kernel, or a sandbox
			if now, ok := readStat(s.pid); ok && now.start == s.start {
				_ = unix.Kill(s.pid, sig)
			}
		}
		return
	}
	defer unix.Close(fd)
	if now, ok := readStat(s.pid); ok && now.start == s.start {
		_ = unix.PidfdSendSignal(fd, sig, nil, 0)
	}
}

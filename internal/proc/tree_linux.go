package proc

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tree is the leader and what descends from it. It is used by one goroutine.
type tree struct {
	leader int
	marker string
	known  map[identity]bool // every living member seen so far
	leaf   *leaf             // nil: none
	level  Level

	last     []stat       // the members in the last sample
	older    map[int]bool // the pids in it that were there before the leader
	looks    int          // samples so far
	cpu      cpuAccount
	oomKills uint64 // of the whole system, before

	letGo func() // ends what hold has begun; nil: nothing
}

func newTree(leader int, marker string) *tree {
	return &tree{leader: leader, marker: marker, known: map[identity]bool{}, oomKills: oomKills()}
}

// among returns those of all processes that are of the tree: the leader, which may leave its own group, those of that group,
// those seen before, and their children, wherever they have gone.
func (t *tree) among(all []stat) []stat {
	roots := t.born(all)
	for _, s := range all {
		if s.pid == t.leader || s.pgrp == t.leader || s.ppid == t.leader || t.known[s.identity] {
			roots[s.pid] = true
		}
	}
	out := descendants(all, roots)
	clear(t.known) // the dead are forgotten, so that the map stays as small as the tree
	for _, s := range out {
		t.known[s.identity] = true
	}
	return out
}

// born returns the processes of which the kernel itself says that they are of the tree.
func (t *tree) born(all []stat) map[int]bool {
	switch t.level {
	case Cgroup:
		return t.leaf.procs()
	case Subreaper:
		return t.adopted(all)
	}
	return map[int]bool{}
}

// terminate asks the tree to end. It says whether it is any use to wait for that.
func (t *tree) terminate() bool {
	t.signal(unix.SIGTERM)
	return t.level != PIDNamespace || hears(t.leader, unix.SIGTERM)
}

func (t *tree) kill() {
	if t.leaf != nil {
		_ = t.leaf.kill() // clear sees what it did not reach
	}
	t.signal(unix.SIGKILL)
}

// hears says whether a process does something of its own about a signal. One that does not is not ended by it when it is
// the first of a process namespace.
func hears(pid int, sig unix.Signal) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		if key != "SigCgt" && key != "SigIgn" {
			continue
		}
		if mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64); err == nil && mask>>(sig-1)&1 == 1 {
			return true
		}
	}
	return false
}

// signal reaches the group, and the members that have left it. It is only called while the leader is running
// or a zombie, so the group is still ours.
func (t *tree) signal(sig unix.Signal) {
	members := t.among(processes()) // before the signal takes away the parents by which they are found
	_ = unix.Kill(-t.leader, sig)
	for _, s := range members {
		if s.pgrp != t.leader {
			signalOne(s, sig)
		}
	}
}

// clear kills what is left of the tree. It returns how many processes it killed and how many it could not.
func (t *tree) clear() (leftovers, survivors int) {
	return killAll(func() []stat {
		left := t.leftovers() // counted before they die
		_ = unix.Kill(-t.leader, unix.SIGKILL)
		if t.leaf != nil {
			_ = t.leaf.kill()
		}
		reap()
		return left
	}, time.Time{}, clearTime)
}

// account adds what the kernel knows of the tree, which is gone by now. When somebody else than us has killed the leader,
// it says whether that was for want of memory. Where it does not count the kills of this tree, one of the host is taken
// for it.
func (t *tree) account(r *Result) {
	starved := oomKills() > t.oomKills
	if t.leaf != nil {
		t.leaf.account(r)
		if slices.Contains(t.leaf.limits, "memory") {
			starved = r.OOMKills > 0
		}
	}
	if r.Cause != Exit || r.Signal != unix.SIGKILL.String() || !starved {
		return
	}
	if r.Cause = OOM; t.leaf != nil && t.leaf.overMemory() {
		r.Cause = Memory
	}
}

// leftovers returns the members and the processes that carry the marker, without the leader.
func (t *tree) leftovers() []stat {
	var left []stat
	all := processes()
	found := map[int]bool{t.leader: true}
	for _, s := range t.among(all) {
		if !found[s.pid] {
			found[s.pid] = true
			left = append(left, s)
		}
	}
	if t.marker == "" {
		return left
	}
	for _, s := range all {
		if !found[s.pid] && carries(s, t.marker) {
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

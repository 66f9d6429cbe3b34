package proc

import (
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A process may clear its environment and so lose its marker, but not its limits: they are inherited and nobody resets
// them. So a child gets, besides the marker, a limit that means nothing: how long it may run under real-time scheduling,
// in microseconds; so large that it is none, and of its own for each marker.

// markBit is in every such number: more than a hundred thousand years.
const markBit = 1 << 62

func markOf(marker string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(marker)) // never fails
	return markBit | h.Sum64()>>2
}

// marks says whether this process may give a child its mark, and so whether one like it could.
func marks() bool {
	var l unix.Rlimit
	return unix.Prlimit(0, unix.RLIMIT_RTTIME, nil, &l) == nil && l.Max >= 2*markBit
}

// marked calls start while this process has the mark, so that what start forks is born with it: a child that got it a
// moment later could have children without it by then. It is best effort. The caller holds launching: there is one mark
// at a time.
func marked(marker string, start func() error) error {
	var old unix.Rlimit
	if marker == "" || unix.Prlimit(0, unix.RLIMIT_RTTIME, nil, &old) != nil {
		return start()
	}
	n := markOf(marker)
	if unix.Prlimit(0, unix.RLIMIT_RTTIME, &unix.Rlimit{Cur: n, Max: old.Max}, nil) != nil {
		return start()
	}
	defer func() {
		_ = unix.Prlimit(0, unix.RLIMIT_RTTIME, &old, nil) // it was allowed before
		unmarkStrays(n, &old)
	}()
	return start()
}

// unmarkStrays takes the mark from children that somebody else in this program has started at the same moment: whoever has
// it is killed. Where orphans become our children it may take it from one that a child has left within that moment, too, which
// the marker still tells.
func unmarkStrays(n uint64, old *unix.Rlimit) {
	syscall.ForkLock.RLock() // the forks that have begun are done by now
	pids := children()
	syscall.ForkLock.RUnlock()
	family.Lock()
	defer family.Unlock()
	for _, pid := range pids {
		if !family.started[pid] && readMark(pid) == n {
			_ = unix.Prlimit(pid, unix.RLIMIT_RTTIME, old, nil)
		}
	}
}

// children returns those of this process.
func children() (pids []int) {
	files, _ := filepath.Glob("/proc/self/task/[0-9]*/children")
	for _, file := range files {
		b, _ := os.ReadFile(file) // the thread has ended: its children are another's now
		for _, f := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	if len(files) == 0 { // not every kernel has them
		for _, s := range processes() {
			if s.ppid == os.Getpid() {
				pids = append(pids, s.pid)
			}
		}
	}
	return pids
}

// readMark returns the mark of a process, 0 for none or when it is not ours to see.
func readMark(pid int) uint64 {
	var l unix.Rlimit
	if unix.Prlimit(pid, unix.RLIMIT_RTTIME, nil, &l) != nil || l.Cur < markBit || l.Cur == unix.RLIM_INFINITY {
		return 0
	}
	return l.Cur
}

// carries says whether a process comes, by whatever way, from the child with the marker. What is in our own process group
// may have the mark by accident, see marked, but not the marker.
func carries(s stat, marker string) bool {
	return marker != "" && (s.pgrp != unix.Getpgrp() && readMark(s.pid) == markOf(marker) || markerOf(s.pid) == marker)
}

package proc

import (
	"hash/fnv"

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

// mark marks a process; best effort.
func mark(pid int, marker string) {
	n := markOf(marker)
	_ = unix.Prlimit(pid, unix.RLIMIT_RTTIME, &unix.Rlimit{Cur: n, Max: n}, nil)
}

// readMark returns the mark of a process, 0 for none or when it is not ours to see.
func readMark(pid int) uint64 {
	var l unix.Rlimit
	if unix.Prlimit(pid, unix.RLIMIT_RTTIME, nil, &l) != nil || l.Max < markBit || l.Max == unix.RLIM_INFINITY {
		return 0
	}
	return l.Max
}

// carries says whether a process was started, by whatever way, by the child with the marker.
func carries(pid int, marker string) bool {
	return marker != "" && (readMark(pid) == markOf(marker) || markerOf(pid) == marker)
}
